using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace BlockRepl.Primitives;

/// <summary>
/// Assertions that stay on in Release. A failed check is a bug: the process ends with exit status
/// <see cref="ExitCode"/>, because wrong data is worse than no data.
/// </summary>
public static class Check
{
    /// <summary>The process exit status that stands for a bug.</summary>
    public const int ExitCode = 42;

    /// <summary>Throws <see cref="BugException"/> unless <paramref name="condition"/> holds. Never allocates on success.</summary>
    public static void That(
        [DoesNotReturnIf(false)] bool condition,
        string message = "",
        [CallerArgumentExpression(nameof(condition))] string expression = "")
    {
        if (!condition)
            Fail(message, expression);
    }

    /// <summary>Marks code that no input can reach.</summary>
    [DoesNotReturn]
    public static Exception Unreachable(string message) => throw new BugException($"unreachable: {message}");

    [DoesNotReturn]
    [StackTraceHidden]
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Fail(string message, string expression) =>
        throw new BugException(message.Length == 0 ? $"check failed: {expression}" : $"check failed: {expression}: {message}");
}
