#!/bin/bash
# banned-symbols - a project that may not touch I/O, time, threads or chance does not build once it does.
# time-limit: 120 seconds
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$(readlink -f -- "$0")")/lib.sh"
begin banned
need dotnet

# Inside the tree, so that the tree's own build rules apply to it; its folder is never committed.
mkdir -p "$repo/artifacts"
probe=$(mktemp -d "$repo/artifacts/banned.XXXXXX")
at_exit "rm -rf -- '$probe'"
cat >"$probe/Probe.csproj" <<'XML'
<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup>
    <SansIo>true</SansIo>
  </PropertyGroup>
</Project>
XML
cat >"$probe/Probe.cs" <<'CSHARP'
namespace Probe;

/// <summary>Every line that returns or waits uses what a sans-IO project may not.</summary>
public static class Probe
{
    /// <summary>Time.</summary>
    public static DateTime Time() => DateTime.UtcNow;

    /// <summary>A file.</summary>
    public static object File() => System.IO.File.ReadAllBytes("/dev/null");

    /// <summary>Chance.</summary>
    public static int Chance() => Random.Shared.Next();

    /// <summary>A thread.</summary>
    public static object Thread() => new System.Threading.Thread(() => { });

    /// <summary>A task.</summary>
    public static object Task() => System.Threading.Tasks.Task.CompletedTask;

    /// <summary>A socket.</summary>
    public static object Socket() => new System.Net.Sockets.TcpClient();

    /// <summary>The environment.</summary>
    public static long Ticks() => Environment.TickCount64;
}
CSHARP
rc=0
timeout 100 dotnet build "$probe/Probe.csproj" -v q -nologo -nodeReuse:false >"$W/build.log" 2>&1 </dev/null || rc=$?
if ((rc != 0)); then ok "the build fails"; else not_ok "the build fails"; fi
# Not a pipe into "grep -q": it ends with the first line that fits, and the first command would die of the closed pipe.
grep 'error RS0030' "$W/build.log" >"$W/banned" || true
for use in DateTime.UtcNow System.IO Random Thread System.Threading.Tasks System.Net.Sockets Environment; do
    if grep -qF "symbol '$use' is banned" "$W/banned"; then ok "banned: $use"; else not_ok "banned: $use"; fi
done
((failed == 0)) || note "$(sort -u "$W/build.log" | head -n 12)"
finish
