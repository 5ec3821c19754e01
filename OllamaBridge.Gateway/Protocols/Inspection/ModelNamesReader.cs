using System.Text.Json;

namespace OllamaBridge.Gateway.Protocols.Inspection;

internal struct ModelNamesReader
{
    private Text _model;
    private Text _name;
    private string? _source;
    private string? _exactModel;
    private string? _from;
    private string? _destination;
    private string? _remoteHost;

    private readonly record struct Text(string? Value, long Start, long End);

    public static bool IsName(RequestProperty property) => property is >= RequestProperty.Model and <= RequestProperty.RemoteHost;

    /// <param name="isExactModel">Whether the property is spelled exactly <c>model</c>.</param>
    /// <returns>False if a server rejects the value's type. The reader does not move.</returns>
    public bool Read(ref Utf8JsonReader reader, RequestProperty property, bool isExactModel, Operation operation)
    {
        if (property >= RequestProperty.From)
        {
            ReadSecond(ref reader, property);
            return true;
        }

        if (!RequestProperties.Has(operation, property))
            return true;
        if (reader.TokenType is not (JsonTokenType.String or JsonTokenType.Null))
            return false;
        // As in Go, null does not change a string.
        if (GoText.GetString(ref reader) is not { } text)
            return true;
        if (isExactModel)
            _exactModel = text;
        if (property == RequestProperty.Model)
            _model = new Text(text, reader.TokenStartIndex, reader.BytesConsumed);
        else if (property == RequestProperty.Name)
            _name = new Text(text, reader.TokenStartIndex, reader.BytesConsumed);
        else
            _source = text;
        return true;
    }

    public readonly RequestFacts AddTo(in RequestFacts facts, Operation operation)
    {
        var isCopy = operation.Model == ModelSource.BodySource;
        var primary = operation.Kind is not OperationKind.Inference && string.IsNullOrEmpty(_model.Value) ? _name : _model;
        return facts with
        {
            Model = isCopy ? _source : primary.Value,
            ModelStart = isCopy ? 0 : primary.Start,
            ModelEnd = isCopy ? 0 : primary.End,
            ExactModel = _exactModel == _model.Value ? null : _exactModel,
            OtherModel = operation.Type switch { OperationType.Create => _from, OperationType.Copy => _destination, _ => null },
            RemoteHost = operation.Type == OperationType.Create ? _remoteHost : null,
        };
    }

    private void ReadSecond(ref Utf8JsonReader reader, RequestProperty property)
    {
        if (reader.TokenType != JsonTokenType.String)
            return;
        var text = GoText.GetString(ref reader);
        if (property == RequestProperty.From)
            _from = text;
        else if (property == RequestProperty.Destination)
            _destination = text;
        else
            _remoteHost = text;
    }
}
