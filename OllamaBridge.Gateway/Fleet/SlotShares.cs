namespace OllamaBridge.Gateway.Fleet;

/// <summary>How several gateways divide the slots of one instance. Pure: who sees the same comes to the same.</summary>
internal static class SlotShares
{
    /// <summary>Divides.</summary>
    /// <param name="slots">How many there are.</param>
    /// <param name="demands">What each gateway uses and waits for, in an order that is the same for all.</param>
    /// <param name="turn">Whose turn it is to have what cannot be divided evenly: anything that all see alike and that goes on.</param>
    /// <param name="shares">Receives each gateway's share; they sum up to <paramref name="slots"/>.</param>
    /// <remarks>
    /// Max-min fair: nobody gets less than asked for while another gets more than one more. What nobody asks for is lent out evenly, so that
    /// whoever gets a request next can serve it at once.
    /// </remarks>
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

    /// <summary>One each to fewer than want one: beginning with whose turn it is, and the turn goes round among those.</summary>
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
