using System.Globalization;

namespace BlockRepl.Daemon.Configuration;

/// <summary>
/// Takes known keys out of one mapping and turns their values into types. Every complaint goes to the sink and the
/// reader goes on with a default, so that one pass finds all errors.
/// </summary>
internal sealed class MappingReader
{
    private readonly Dictionary<string, YamlTree> _values = [];
    private readonly YamlMap _map;
    private readonly string _what;
    private readonly ErrorSink _errors;

    /// <param name="map">The mapping.</param>
    /// <param name="what">What it is, for the messages: <c>resource "mail"</c>.</param>
    /// <param name="known">Its keys; any other is reported here.</param>
    /// <param name="errors">Where errors go.</param>
    public MappingReader(YamlMap map, string what, IReadOnlyList<string> known, ErrorSink errors)
    {
        (_map, _what, _errors) = (map, what, errors);
        foreach (var (key, value) in map.Entries)
        {
            if (!known.Contains(key.Value))
                errors.Add(key.At, $"unknown key \"{key.Value}\"{Spelling.Suggest(key.Value, known)}");
            else if (!_values.TryAdd(key.Value, value))
                errors.Add(key.At, $"key \"{key.Value}\" stands twice in {what}");
        }
    }

    /// <summary>The value of a key, or null when the key is absent.</summary>
    public YamlTree? Take(string key) => _values.GetValueOrDefault(key);

    /// <summary>The value of a key that must be there.</summary>
    public YamlTree? Require(string key)
    {
        var value = Take(key);
        if (value is null)
            _errors.Add(_map.At, $"{_what} has no \"{key}\"");
        return value;
    }

    /// <summary>A text, or null when absent or wrong.</summary>
    public string? Text(string key) => Take(key) is { } value ? AsText(value, key) : null;

    /// <summary>A time between two bounds.</summary>
    public TimeSpan Time(string key, TimeSpan fallback, TimeSpan min, TimeSpan max)
    {
        if (Take(key) is not { } value || AsText(value, key) is not { } text)
            return fallback;
        if (!Units.TryParseTime(text, out var time))
            _errors.Add(value.At, $"{key}: \"{text}\" is not a time; write it like 500ms, 6s or 2m");
        else if (time < min || time > max)
            _errors.Add(value.At, $"{key}: {text} is out of range; it goes from {Units.Format(min)} to {Units.Format(max)}");
        else
            return time;
        return fallback;
    }

    /// <summary>A whole number between two bounds.</summary>
    public int Number(string key, int fallback, int min, int max)
    {
        if (Take(key) is not { } value || AsText(value, key) is not { } text)
            return fallback;
        if (!long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number))
            _errors.Add(value.At, $"{key}: \"{text}\" is not a whole number");
        else if (number < min || number > max)
            _errors.Add(value.At, string.Create(CultureInfo.InvariantCulture, $"{key}: {text} is out of range; it goes from {min} to {max}"));
        else
            return (int)number;
        return fallback;
    }

    /// <summary>Whole per cent between two bounds, written with the sign: <c>30%</c>.</summary>
    public int Percent(string key, int fallback, int min, int max)
    {
        if (Take(key) is not { } value || AsText(value, key) is not { } text)
            return fallback;
        if (text.EndsWith('%') && int.TryParse(text.AsSpan(0, text.Length - 1), NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            && number >= min && number <= max)
        {
            return number;
        }
        _errors.Add(value.At, string.Create(CultureInfo.InvariantCulture, $"{key}: \"{text}\" is not a percentage from {min}% to {max}%"));
        return fallback;
    }

    /// <summary>One of a few words.</summary>
    public T Word<T>(string key, T fallback, params ReadOnlySpan<(string Word, T Value)> words)
    {
        if (Take(key) is not { } value || AsText(value, key) is not { } text)
            return fallback;
        foreach (var (word, meaning) in words)
        {
            if (word == text)
                return meaning;
        }
        List<string> known = [];
        foreach (var (word, _) in words)
            known.Add(word);
        _errors.Add(value.At, $"{key}: \"{text}\" is not one of {string.Join(", ", known)}");
        return fallback;
    }

    /// <summary>The text of a scalar that must have one.</summary>
    public string? AsText(YamlTree value, string key)
    {
        if (value is not YamlText text)
            _errors.Add(value.At, $"{key}: expected one value, found {(value is YamlMap ? "a mapping" : "a list")}");
        else if (text.IsNull || text.Value.Length == 0)
            _errors.Add(value.At, $"{key} is empty");
        else
            return text.Value;
        return null;
    }

    /// <summary>The mapping that a value must be; null with an error when it is not.</summary>
    public YamlMap? AsMap(YamlTree? value, string key)
    {
        if (value is YamlMap map)
            return map;
        if (value is not null)
            _errors.Add(value.At, $"{key}: expected a mapping, found {(value is YamlText { IsNull: true } ? "nothing" : value is YamlText ? "one value" : "a list")}");
        return null;
    }
}
