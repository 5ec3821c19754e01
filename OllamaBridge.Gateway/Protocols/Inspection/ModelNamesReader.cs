using System.Text.Json;

namespace OllamaBridge.Gateway.Protocols.Inspection;

/// <summary>Reads the names of models in a request.</summary>
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

    /// <summary>Whether a property names a model.</summary>
    public static bool IsName(RequestProperty property) => property is >= RequestProperty.Model and <= RequestProperty.RemoteHost;

    /// <summary>Reads a value.</summary>
    /// <param name="reader">Stands at the value, and does not move.</param>
    /// <param name="property">The value's property.</param>
    /// <param name="isExactModel">Whether the property is spelled exactly <c>model</c>.</param>
    /// <param name="operation">The request's operation.</param>
    /// <returns>Whether the value has a type that a server accepts.</returns>
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
