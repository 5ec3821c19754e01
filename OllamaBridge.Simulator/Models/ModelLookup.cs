namespace OllamaBridge.Simulator;

/// <summary>Finds a model for a request, with Ollama's errors.</summary>
internal static class ModelLookup
{
    /// <exception cref="ApiError">400: no model name. 403: a cloud model. 404: unknown model.</exception>
    public static StoredModel Find(ModelStore store, string asked, bool tellShortName = false)
    {
        var reference = ModelReference.Parse(asked, new ApiError(404, $"model '{asked}' not found"));
        var name = reference.Name;
        var stored = store.Get(name.Short);
        if (reference.IsCloud || (stored?.Model.RemoteHost is not null && !reference.IsLocal))
            throw new ApiError(403, $"ollama cloud is disabled: remote model {(tellShortName ? "details are" : "is")} unavailable");
        if (stored?.Model.RemoteHost is not null)
            stored = null;
        return stored ?? throw new ApiError(404, $"model '{(tellShortName ? name.Short : asked)}' not found");
    }

    /// <exception cref="ApiError">400: the model cannot generate text.</exception>
    public static void Require(StoredModel stored, string asked, string operation)
    {
        var blind = stored.Model.Damage is ModelDamage.BlobMissing or ModelDamage.BlobMissingUnread;
        if (blind || !stored.Model.Can(ModelCapability.Completion))
            throw new ApiError(400, $"\"{asked}\" does not support {operation}");
    }
}
