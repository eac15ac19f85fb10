using System.Globalization;

namespace BlockRepl.Core.Tests.Versions;

/// <summary>The conversation that two version 1 builds had, line by line.</summary>
internal static class RecordedConversation
{
    /// <summary>One line: a frame, or something that happened beside the frames.</summary>
    /// <param name="Actor">Who sent the frame or acted: alpha, beta, both or link.</param>
    /// <param name="Words">What happened; empty for a frame.</param>
    /// <param name="Frame">The frame; null for anything else.</param>
    internal sealed record Line(string Actor, string[] Words, byte[]? Frame)
    {
        public long Number(int word) => long.Parse(Words[word], CultureInfo.InvariantCulture);
    }

    /// <summary>The whole conversation, in the order in which it happened.</summary>
    public static IReadOnlyList<Line> Read()
    {
        List<Line> lines = [];
        foreach (string line in File.ReadLines(Path.Combine(AppContext.BaseDirectory, "Recorded/v1/conversation.txt")))
        {
            if (line.Length == 0 || line[0] == '#')
                continue;
            string[] parts = line.Split(' ');
            lines.Add(parts[0] == "@" ? new Line(parts[1], parts[2..], null) : new Line(parts[0], [], Convert.FromHexString(parts[2])));
        }

        return lines;
    }
}
