namespace OllamaBridge.Gateway.Audit;

/// <summary>The names of changes. The part before the dot names what is changed and decides the event id in the log.</summary>
internal static class AuditActions
{
    public const string TenantPut = "tenant.put";
    public const string TenantPatch = "tenant.patch";
    public const string TenantRemove = "tenant.remove";
    public const string TenantDisable = "tenant.disable";
    public const string TenantEnable = "tenant.enable";
    public const string KeyAdd = "key.add";
    public const string KeyRotate = "key.rotate";
    public const string KeyRemove = "key.remove";
    public const string DrainStart = "drain.start";
    public const string DrainEnd = "drain.end";
    public const string InstanceAdd = "instance.add";
    public const string InstanceChange = "instance.change";
    public const string InstanceRemove = "instance.remove";
    public const string TierPut = "tier.put";
    public const string TierRemove = "tier.remove";
    public const string TierScale = "tier.scale";
    public const string ModelPut = "model.put";
    public const string ModelRemove = "model.remove";
    public const string ModelPull = "model.pull";
    public const string ModelCreate = "model.create";
    public const string ModelCopy = "model.copy";
    public const string ModelDelete = "model.delete";
    public const string ModelPush = "model.push";
    public const string ModelUnload = "model.unload";
}
