using System.CommandLine;
using BlockRepl.Daemon.Control;

namespace BlockRepl.Cli.Commands;

/// <summary>The argument that says what a verb works on.</summary>
internal static class NameArgument
{
    /// <summary>
    /// <c>RESOURCE</c>, with <c>/VOLUME</c> where <paramref name="takesVolume"/>. A verb that only looks may leave it out and means
    /// all; one that changes something must say so.
    /// </summary>
    public static Argument<string> Create(bool required, bool takesVolume)
    {
        var argument = new Argument<string>(takesVolume ? "RESOURCE[/VOLUME]" : "RESOURCE")
        {
            Description = "What it works on; \"all\" is every resource" + (required ? "" : ", and so is leaving it out"),
            Arity = required ? ArgumentArity.ExactlyOne : ArgumentArity.ZeroOrOne,
        };
        if (!required)
            argument.DefaultValueFactory = _ => "all";
        argument.Validators.Add(result =>
        {
            if (result.Tokens.Count != 1)
                return;
            var text = result.Tokens[0].Value;
            if (text.StartsWith('-'))
                result.AddError($"\"{text}\" is not an option of {((System.CommandLine.Parsing.CommandResult)result.Parent!).Command.Name}");
            else if (!ControlName.TryParse(text, out var name))
                result.AddError($"\"{text}\" is neither RESOURCE nor RESOURCE/VOLUME nor all");
            else if (name.Volume is not null && !takesVolume)
                result.AddError($"\"{text}\" is a volume; this verb works on the whole resource {name.Resource}");
        });
        return argument;
    }

    /// <summary>An option that is there or not, and never eats the argument after it.</summary>
    public static Option<bool> Flag(string name, string description) =>
        new(name) { Description = description, Arity = ArgumentArity.Zero };
}
