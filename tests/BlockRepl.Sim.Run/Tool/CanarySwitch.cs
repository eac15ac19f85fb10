namespace BlockRepl.Sim.Run;

/// <summary>Turns a planted fault on. Only a build with <c>-p:Canaries=true</c> has any.</summary>
internal static class CanarySwitch
{
    /// <summary>Turns the named fault on; false, with the reason in words, if this build has none of that name.</summary>
    public static bool TryTurnOn(string name, out string refusal)
    {
#if CANARIES
        refusal = "";
        if (BlockRepl.Primitives.Canary.TryTurnOn(name))
            return true;
        refusal = $"there is no canary '{name}'";
        return false;
#else
        refusal = $"canary '{name}': this build has no canaries; tools/sim --canary builds one that has";
        return false;
#endif
    }
}
