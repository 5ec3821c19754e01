using OllamaBridge.Gateway;

return await GatewayCommand.RunAsync(args, Console.Out, Console.Error);
