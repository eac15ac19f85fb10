namespace BlockRepl.Micro;

/// <summary>Data to work on: the same for every run.</summary>
internal static class Samples
{
    /// <summary>Bytes that do not compress.</summary>
    public static byte[] Random(int length)
    {
        var data = new byte[length];
        new Random(4711).NextBytes(data);
        return data;
    }

    /// <summary>Lines as a mail store has them: words out of a small stock, numbers that grow.</summary>
    public static byte[] Text(int length)
    {
        string[] words = ["Received:", "from", "mail.example.org", "with", "ESMTP", "id", "for", "<alice@example.org>;", "Message-ID:", "Subject:", "re", "quarterly", "figures"];
        var random = new Random(4711);
        var data = new byte[length];
        for (int at = 0, n = 0; at < length; n++)
        {
            foreach (char c in $"{words[random.Next(words.Length)]} {n} ")
            {
                if (at < length)
                    data[at++] = (byte)c;
            }
        }

        return data;
    }
}
