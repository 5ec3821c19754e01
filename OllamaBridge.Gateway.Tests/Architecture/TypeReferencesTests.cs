using OllamaBridge.Gateway.Tests.Architecture.Samples;

namespace OllamaBridge.Gateway.Tests.Architecture
{
    public class TypeReferencesTests
    {
        private static readonly IReadOnlyList<TypeUse> References = TypeReferences.Read(typeof(Used).Assembly, typeof(Used).Namespace!);

        [Theory]
        [InlineData(nameof(ByBase))]
        [InlineData(nameof(ByField))]
        [InlineData(nameof(ByParameter))]
        [InlineData(nameof(ByGenericArgument))]
        [InlineData(nameof(ByConstraint))]
        [InlineData(nameof(ByAttribute))]
        [InlineData(nameof(ByTypeInAttribute))]
        [InlineData(nameof(ByLocal))]
        [InlineData(nameof(ByCall))]
        [InlineData(nameof(ByCast))]
        [InlineData(nameof(ByTypeCheck))]
        [InlineData(nameof(ByTypeOf))]
        [InlineData(nameof(ByNew))]
        [InlineData(nameof(ByArray))]
        [InlineData(nameof(ByGenericCall))]
        [InlineData(nameof(ByLambda))]
        [InlineData(nameof(ByClosure))]
        [InlineData(nameof(ByAsyncMethod))]
        [InlineData(nameof(ByIterator))]
        [InlineData(nameof(ByLocalFunction))]
        [InlineData(nameof(ByNestedType))]
        [InlineData(nameof(ByCatch))]
        [InlineData(nameof(ByMethodGroup))]
        [InlineData(nameof(ByParameterAttribute))]
        [InlineData(nameof(ByTupleElement))]
        public void Read_EveryKindOfReference_IsFound(string from) =>
            Assert.Contains(References, r => r.From == from && r.To.StartsWith(nameof(Used), StringComparison.Ordinal));

        [Fact]
        public void Read_WithoutReference_FindsNone() => Assert.DoesNotContain(References, r => r.From == nameof(UsesNothing));
    }
}

namespace OllamaBridge.Gateway.Tests.Architecture.Samples
{
    internal class Used
    {
        public static int Count() => 1;
    }

    internal struct UsedValue
    {
        public int Number { get; set; }
    }

    internal sealed class UsedException : Exception;

    [AttributeUsage(AttributeTargets.All)]
    internal sealed class UsedAttribute : Attribute;

    [AttributeUsage(AttributeTargets.All)]
    internal sealed class TypeAttribute(Type type) : Attribute
    {
        public Type Type => type;
    }

    internal sealed class UsesNothing
    {
        public static string Text() => 1.ToString(System.Globalization.CultureInfo.InvariantCulture);
    }

    internal sealed class ByBase : Used;

    internal sealed class ByField
    {
        public Used? Field { get; set; }
    }

    internal sealed class ByParameter
    {
        public static bool Is(Used? used) => used is null;
    }

    internal sealed class ByGenericArgument
    {
        public static int Count(List<Used> list) => list.Count;
    }

    internal sealed class ByConstraint
    {
        public static string Name<T>()
            where T : Used => typeof(T).Name;
    }

    [Used]
    internal sealed class ByAttribute;

    [Type(typeof(Used))]
    internal sealed class ByTypeInAttribute;

    internal sealed class ByLocal
    {
        public static string? Text()
        {
            UsedValue value = default;
            return value.ToString();
        }
    }

    internal sealed class ByCall
    {
        public static int Count() => Used.Count();
    }

    internal sealed class ByCast
    {
        public static bool Is(object value) => ((Used)value).Equals(value);
    }

    internal sealed class ByTypeCheck
    {
        public static bool Is(object value) => value is Used;
    }

    internal sealed class ByTypeOf
    {
        public static string Name() => typeof(Used).Name;
    }

    internal sealed class ByNew
    {
        public static object Make() => new Used();
    }

    internal sealed class ByArray
    {
        public static Array Make() => new Used[1];
    }

    internal sealed class ByGenericCall
    {
        public static bool Any(IEnumerable<object> values) => values.OfType<Used>().Any();
    }

    internal sealed class ByLambda
    {
        public static IEnumerable<bool> Each(IEnumerable<object> values) => values.Select(static v => v is Used);
    }

    internal sealed class ByClosure
    {
        public static IEnumerable<int> Each(IEnumerable<int> values, int more) => values.Select(v => v + more + Used.Count());
    }

    internal sealed class ByAsyncMethod
    {
        public static async Task<int> CountAsync()
        {
            await Task.Yield();
            return Used.Count();
        }
    }

    internal sealed class ByIterator
    {
        public static IEnumerable<int> Each()
        {
            yield return Used.Count();
        }
    }

    internal sealed class ByLocalFunction
    {
        public static int Count()
        {
            return Count();

            static int Count() => Used.Count();
        }
    }

    internal sealed class ByNestedType
    {
        public sealed class Nested
        {
            public static int Count() => Used.Count();
        }
    }

    internal sealed class ByCatch
    {
        public static bool Try(Action action)
        {
            try
            {
                action();
                return true;
            }
            catch (UsedException)
            {
                return false;
            }
        }
    }

    internal sealed class ByMethodGroup
    {
        public static Func<int> Make() => Used.Count;
    }

    internal sealed class ByParameterAttribute
    {
        public static int Count([Used] int count) => count;
    }

    internal sealed class ByTupleElement
    {
        public static (int, IEnumerable<Used[]>?) Make() => default;
    }
}
