using System.Globalization;
using System.Reflection;

namespace BlockRepl.Scenarios.Language;

/// <summary>Sets a property of <see cref="ResourceSettings"/> by the name that the configuration file has for it.</summary>
internal static class SettingsTable
{
    // Names of the file that are not the property's own.
    private static readonly Dictionary<string, string> Aliases = new(StringComparer.Ordinal)
    {
        ["ping-int"] = nameof(ResourceSettings.PingIntervalMs),
        ["connect-int"] = nameof(ResourceSettings.ConnectIntervalMs),
        ["max-epoch-size"] = nameof(ResourceSettings.EpochWritesMax),
    };

    /// <summary>A copy of the settings with one of them changed. Throws <see cref="ScenarioException"/> if the engine does not have it.</summary>
    public static ResourceSettings With(ResourceSettings settings, Statement statement, string key, string value)
    {
        if (Policy(settings.SplitBrain, key, value) is { } policies)
            return settings with { SplitBrain = policies };
        if (key == "rr-conflict")
            key = nameof(ResourceSettings.RoleConflict);
        if (key == "handlers" && Units.Named<HandlerKind>(value) is { } handler)
            return settings with { Handlers = settings.Handlers.With(handler) };
        PropertyInfo property = Find(key) ?? throw statement.Wrong($"the engine has no setting \"{key}\"");
        ResourceSettings copy = settings with { };
        property.SetValue(copy, Convert(property.PropertyType, value) ?? throw statement.Wrong($"\"{value}\" is no value of {key} ({property.PropertyType.Name})"));
        return copy;
    }

    // The words of DRBD; a value that is none of them is left to fail as an unknown setting.
    private static SplitBrainPolicies? Policy(SplitBrainPolicies policies, string key, string value) => key switch
    {
        "after-sb-0pri" when value.StartsWith("discard-node-", StringComparison.Ordinal) =>
            policies with { NoPrimary = AfterSplitBrain0Pri.DiscardNode, DiscardNode = value.EndsWith("-a", StringComparison.Ordinal) ? "alpha" : "beta" },
        "after-sb-0pri" when Units.Named<AfterSplitBrain0Pri>(value) is { } policy => policies with { NoPrimary = policy },
        "after-sb-1pri" when value == "call-pri-lost-after-sb" => policies with { OnePrimary = AfterSplitBrain1Pri.CallPrimaryLost },
        "after-sb-1pri" when Units.Named<AfterSplitBrain1Pri>(value) is { } policy => policies with { OnePrimary = policy },
        "after-sb-2pri" when value == "call-pri-lost-after-sb" => policies with { TwoPrimaries = AfterSplitBrain2Pri.CallPrimaryLost },
        "always-asbp" => policies with { Always = value == "yes" },
        _ => null,
    };

    private static PropertyInfo? Find(string key)
    {
        string wanted = Units.Plain(Aliases.GetValueOrDefault(key, key));
        return typeof(ResourceSettings).GetProperties().FirstOrDefault(p =>
            Units.Plain(p.Name) == wanted || Units.Plain(p.Name) == wanted + "MS" || Units.Plain(p.Name) == wanted + "BYTES");
    }

    private static object? Convert(Type type, string value)
    {
        Type plain = Nullable.GetUnderlyingType(type) ?? type;
        if (plain == typeof(bool))
            return value switch { "yes" or "on" => true, "no" or "off" => false, _ => null };
        if (plain == typeof(string))
            return Units.Unquote(value);
        if (plain.IsEnum)
        {
            return Enum.GetValues(plain).Cast<object>().FirstOrDefault(v => Units.Plain(v.ToString()!) == Units.Plain(value));
        }

        long? number = Units.Size(value) ?? Units.TimeMs(value) ?? (value == "off" ? 0 : null);
        return number is { } n && plain.IsPrimitive ? System.Convert.ChangeType(n, plain, CultureInfo.InvariantCulture) : null;
    }
}
