using System.Collections;

namespace BlockRepl.Daemon.Replication;

/// <summary>The resources that a node runs, in configuration order. Any thread may read; one at a time changes it. A reader keeps the list that it began with.</summary>
internal sealed class ResourceList : IReadOnlyList<ManagedResource>
{
    private volatile ManagedResource[] _items = [];

    /// <inheritdoc/>
    public int Count => _items.Length;

    /// <inheritdoc/>
    public ManagedResource this[int index] => _items[index];

    /// <summary>The resource of this name; null if there is none.</summary>
    public ManagedResource? Find(string? name) => Array.Find(_items, resource => resource.Runtime.Settings.Name == name);

    public void Add(ManagedResource resource) => _items = [.. _items, resource];

    public void Remove(ManagedResource resource) => _items = Array.FindAll(_items, other => other != resource);

    /// <summary>Puts <paramref name="next"/> where <paramref name="before"/> stands.</summary>
    public void Replace(ManagedResource before, ManagedResource next) => _items = Array.ConvertAll(_items, item => item == before ? next : item);

    /// <inheritdoc/>
    public IEnumerator<ManagedResource> GetEnumerator() => ((IEnumerable<ManagedResource>)_items).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
