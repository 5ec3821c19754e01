namespace OllamaBridge.Gateway.Admission;

/// <summary>Which gateway changes the models in the folder that all instances share. At most one has the right, for a time.</summary>
internal interface IWriterStore
{
    /// <summary>Takes the right, or keeps it for longer.</summary>
    /// <param name="writer">Who asks: a name that no other change to the models has or had.</param>
    /// <param name="lifetime">For how long, if nothing more is heard.</param>
    /// <param name="cancellationToken">Gives up; the right may have been taken all the same.</param>
    ValueTask<WriterClaim> HoldAsync(string writer, TimeSpan lifetime, CancellationToken cancellationToken);

    /// <summary>Gives the right back; of no effect where somebody else has it.</summary>
    ValueTask ReleaseAsync(string writer, CancellationToken cancellationToken);
}

/// <summary>What came of asking for the right to write.</summary>
internal enum WriterClaim
{
    /// <summary>Whoever asked has it.</summary>
    Held,

    /// <summary>Somebody else has it.</summary>
    HeldElsewhere,

    /// <summary>Nobody answered.</summary>
    Unknown,
}
