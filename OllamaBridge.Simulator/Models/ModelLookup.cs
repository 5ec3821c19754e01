namespace OllamaBridge.Simulator;

/// <summary>Finds a model for a request, with the errors that Ollama gives.</summary>
internal static class ModelLookup
{
    /// <exception cref="ApiError">400: no model name. 403: a cloud model. 404: not there.</exception>
    public static StoredModel Find(ModelStore store, string asked, bool tellShortName = false)
    {
        if (asked.Length == 0)
            throw new ApiError(404, "model '' not found");
        if (!ModelName.TryParse(asked, out var name))
            throw new ApiError(400, "invalid model name");
        if (name.Tag == "cloud" || name.Tag.EndsWith("-cloud", StringComparison.Ordinal))
            throw new ApiError(403, "ollama cloud is disabled: remote model is unavailable");
        return store.Get(name.Short) ?? throw new ApiError(404, $"model '{(tellShortName ? name.Short : asked)}' not found");
    }

    /// <exception cref="ApiError">400: it cannot generate text.</exception>
    public static void Require(StoredModel stored, string asked, string operation)
    {
        var blind = stored.Model.Damage is ModelDamage.BlobMissing or ModelDamage.BlobMissingUnread;
        if (blind || !stored.Model.Can(ModelCapability.Completion))
            throw new ApiError(400, $"\"{asked}\" does not support {operation}");
    }
}
