namespace BlockRepl.Daemon.Configuration;

/// <summary>Finds the word that a mistyped one was probably meant to be.</summary>
public static class Spelling
{
    /// <summary><c>; did you mean "x"?</c>, or nothing when no word is near.</summary>
    public static string Suggest(string word, IEnumerable<string> known)
    {
        var best = known.Select(k => (Word: k, Distance: Distance(word, k))).OrderBy(k => k.Distance).FirstOrDefault();
        return best.Word is not null && best.Distance <= Math.Max(1, best.Word.Length / 3) ? $"; did you mean \"{best.Word}\"?" : "";
    }

    /// <summary>Levenshtein's distance. Long words are not compared; no key is that long.</summary>
    private static int Distance(string a, string b)
    {
        const int LengthMax = 64;
        if (a.Length > LengthMax || b.Length > LengthMax)
            return int.MaxValue;
        var row = new int[b.Length + 1];
        for (var j = 0; j <= b.Length; j++)
            row[j] = j;
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var above = row[j];
                var change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
                row[j] = Math.Min(change, Math.Min(above, row[j - 1]) + 1);
                diagonal = above;
            }
        }
        return row[b.Length];
    }
}
