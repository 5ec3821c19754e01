namespace OllamaBridge.Gateway.Fleet;

/// <summary>Divides the slots of one instance among gateways. Pure: gateways with the same input get the same shares.</summary>
internal static class SlotShares
{
    /// <summary>Max-min fair: no gateway gets less than its demand while another gets more than one slot more. Unclaimed slots are divided evenly.</summary>
    /// <param name="demands">Each gateway's used and wanted slots, in the same order on all gateways.</param>
    /// <param name="turn">Selects the gateway that gets surplus slots first: any number that all gateways agree on and that advances.</param>
    public static void Divide(int slots, ReadOnlySpan<int> demands, long turn, Span<int> shares)
    {
        shares = shares[..demands.Length];
        shares.Clear();
        var left = slots;
        while (left > 0)
        {
            var hungry = 0;
            for (var i = 0; i < demands.Length; i++)
                if (shares[i] < demands[i])
                    hungry++;
            if (hungry == 0)
                break;
            var each = left / hungry;
            if (each == 0)
            {
                HandOut(left, hungry, demands, turn, shares);
                return;
            }

            for (var i = 0; i < demands.Length; i++)
                if (shares[i] < demands[i])
                {
                    var more = Math.Min(each, demands[i] - shares[i]);
                    shares[i] += more;
                    left -= more;
                }
        }

        if (left == 0 || demands.IsEmpty)
            return;
        for (var i = 0; i < demands.Length; i++)
            shares[i] += left / demands.Length;
        for (var i = 0; i < left % demands.Length; i++)
            shares[Place(turn + i, demands.Length)]++;
    }

    private static void HandOut(int left, int hungry, ReadOnlySpan<int> demands, long turn, Span<int> shares)
    {
        var first = Place(turn, hungry);
        var nth = 0;
        for (var i = 0; i < demands.Length; i++)
            if (shares[i] < demands[i])
            {
                if ((nth - first + hungry) % hungry < left)
                    shares[i]++;
                nth++;
            }
    }

    private static int Place(long turn, int count) => (int)(((turn % count) + count) % count);
}
