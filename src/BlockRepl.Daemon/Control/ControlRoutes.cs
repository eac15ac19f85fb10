using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using BlockRepl.Primitives;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace BlockRepl.Daemon.Control;

/// <summary>The control socket's requests (docs/cli.md, "The control socket"). Called by Kestrel, many at a time.</summary>
internal sealed partial class ControlRoutes(
    ControlDispatcher dispatcher, IEventFeed feed, ILogger<ControlRoutes> log, CancellationToken stopping)
{
    /// <summary>Answers one request. What goes wrong becomes an answer; only a bug leaves as an exception, and ends the process.</summary>
    public async Task HandleAsync(HttpContext context)
    {
        using var ends = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, stopping);
        try
        {
            var request = context.Request;
            switch (request.Method, request.Path.Value)
            {
                case ("GET", "/v1/status"):
                    await StatusAsync(context);
                    break;
                case ("GET", "/v1/devices"):
                    await WriteAsync(context, dispatcher.Devices(), ControlJson.Default.IReadOnlyListDeviceStatus);
                    break;
                case ("POST", "/v1/commands"):
                    await CommandAsync(context);
                    break;
                case ("GET", "/v1/wait"):
                    await WaitAsync(context, ends.Token);
                    break;
                case ("GET", "/v1/events"):
                    await EventsAsync(context, ends.Token);
                    break;
                default:
                    context.Response.StatusCode = StatusCodes.Status404NotFound;
                    await AnswerAsync(context, new ControlResult(ExitCodes.Failed, $"the daemon has no {request.Method} {request.Path}",
                        "the command and the daemon must be of the same version; restart the daemon after an upgrade"));
                    break;
            }
        }
        catch (OperationCanceledException) when (ends.IsCancellationRequested)
        {
            if (!context.RequestAborted.IsCancellationRequested && !context.Response.HasStarted)
                await AnswerAsync(context, new ControlResult(ExitCodes.ConfigurationOrDaemon, "the daemon is stopping", "start it again: blockrepl daemon"));
        }
        catch (IOException e)
        {
            LogCallerGone(log, e.Message);
        }
        catch (BugException e)
        {
            BugGuard.Die(log, e);
        }
        catch (Exception e) when (!context.Response.HasStarted)
        {
            // An exception that nobody turned into a result is not proven to be harmless, but the data path has its own guard;
            // the operator gets the bug's exit status and the log has the trace.
            LogFailed(log, context.Request.Path, e);
            await AnswerAsync(context, new ControlResult(ExitCodes.Bug, $"bug: {e.GetType().Name}: {e.Message}", "the daemon's log has the trace; please report it"));
        }
    }

    private async Task StatusAsync(HttpContext context)
    {
        var (resources, refusal) = dispatcher.Status(Target(context));
        if (refusal is null)
        {
            await WriteAsync(context, resources!, ControlJson.Default.IReadOnlyListResourceStatus);
            return;
        }
        context.Response.StatusCode = StatusCodes.Status404NotFound;
        await AnswerAsync(context, refusal);
    }

    private async Task CommandAsync(HttpContext context)
    {
        ControlRequest? request;
        try
        {
            request = await JsonSerializer.DeserializeAsync(context.Request.Body, ControlJson.Default.ControlRequest, context.RequestAborted);
        }
        catch (JsonException e)
        {
            await BadRequestAsync(context, $"the request is not understood: {e.Message}");
            return;
        }
        if (request is null)
        {
            await BadRequestAsync(context, "the request is empty");
            return;
        }
        // A caller that hangs up does not stop a change of state half-way.
        var response = await dispatcher.ExecuteAsync(request, CancellationToken.None);
        LogCommand(log, request.Verb, request.Target, response.ExitCode);
        await WriteAsync(context, response, ControlJson.Default.ControlResponse);
    }

    private async Task WaitAsync(HttpContext context, CancellationToken ends)
    {
        var query = context.Request.Query;
        if (!Enum.TryParse<WaitGoal>(query["for"], ignoreCase: true, out var goal))
        {
            await BadRequestAsync(context, "\"for\" is not connect, sync or primary");
            return;
        }
        TimeSpan? timeout = null;
        if (query.TryGetValue("timeout_ms", out var text))
        {
            const int DayMs = 86_400_000;
            if (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var ms) || ms > DayMs)
            {
                await BadRequestAsync(context, "\"timeout_ms\" is not a number of milliseconds up to a day");
                return;
            }
            timeout = TimeSpan.FromMilliseconds(ms);
        }
        await AnswerAsync(context, await dispatcher.WaitAsync(goal, Target(context), timeout, ends));
    }

    private async Task EventsAsync(HttpContext context, CancellationToken ends)
    {
        var name = Target(context);
        var (resources, refusal) = dispatcher.Status(name);
        if (refusal is not null)
        {
            context.Response.StatusCode = StatusCodes.Status404NotFound;
            await AnswerAsync(context, refusal);
            return;
        }
        var wanted = name == Configuration.NameRules.All ? null : resources![0].Name;
        context.Response.ContentType = "application/x-ndjson";
        using var subscription = feed.Subscribe();
        await EventStream.WriteAsync(subscription, wanted, onlyDump: context.Request.Query.ContainsKey("now"), context.Response.BodyWriter, ends);
    }

    private static string Target(HttpContext context) =>
        context.Request.Query.TryGetValue("target", out var target) ? target.ToString() : Configuration.NameRules.All;

    private static Task BadRequestAsync(HttpContext context, string message)
    {
        context.Response.StatusCode = StatusCodes.Status400BadRequest;
        return AnswerAsync(context, new ControlResult(ExitCodes.Usage, message));
    }

    private static Task AnswerAsync(HttpContext context, ControlResult result) =>
        WriteAsync(context, new ControlResponse([result]), ControlJson.Default.ControlResponse);

    /// <summary>Answers with a length, so that the caller knows a whole answer from one that a crash cut.</summary>
    private static async Task WriteAsync<T>(HttpContext context, T value, JsonTypeInfo<T> type)
    {
        var body = JsonSerializer.SerializeToUtf8Bytes(value, type);
        context.Response.ContentType = "application/json";
        context.Response.ContentLength = body.Length;
        await context.Response.Body.WriteAsync(body, context.RequestAborted);
    }

    [LoggerMessage(EventId = 100, Level = LogLevel.Information, Message = "{Verb} {Target}: exit {ExitCode}")]
    private static partial void LogCommand(ILogger logger, ControlVerb verb, string target, int exitCode);

    [LoggerMessage(EventId = 101, Level = LogLevel.Debug, Message = "a caller of the control socket is gone: {Reason}")]
    private static partial void LogCallerGone(ILogger logger, string reason);

    [LoggerMessage(EventId = 102, Level = LogLevel.Error, Message = "a request for {Path} failed")]
    private static partial void LogFailed(ILogger logger, string path, Exception exception);
}
