using BlockRepl.Cli;

return await CliApplication.RunAsync(args, CliConsole.OfProcess(), ProcessServices.Create());
