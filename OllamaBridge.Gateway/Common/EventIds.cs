namespace OllamaBridge.Gateway.Common;

/// <summary>The ids of all log events: public names. A test checks that they are unique and that classes do not share a range.</summary>
internal static class EventIds
{
    public static class Instance
    {
        public const int NoInstances = 1000;
        public const int Added = 1001;
        public const int Removed = 1002;
        public const int StatusChanged = 1003;
        public const int Draining = 1004;
    }

    public static class InstanceSource
    {
        public const int BadConfiguration = 1005;
        public const int LookupFailed = 1006;
    }

    public static class Fleet
    {
        public const int ExchangeFailed = 1007;
        public const int StandsBack = 1008;
        public const int DrainingUntil = 1009;
        public const int DigestMismatch = 1010;
        public const int WeightsUnknown = 1011;
    }

    public static class Breaker
    {
        public const int Opened = 1050;
        public const int Closed = 1051;
        public const int Slowed = 1052;
        public const int Recovered = 1053;
        public const int Busy = 1054;
        public const int Limited = 1055;
    }

    public static class Forwarding
    {
        public const int AttemptFailed = 1200;
        public const int Truncated = 1201;
        public const int Taken = 1202;
        public const int ConnectionFailed = 1203;
        public const int TlsFilesUnreadable = 1204;
        public const int UnloadFailed = 1209;
        public const int StandsIn = 1210;
    }

    public static class Fault
    {
        public const int Judged = 1220;
        public const int ShortOfMemory = 1221;
        public const int KnownToFail = 1222;
        public const int StaleConnection = 1223;
        public const int FewerLayers = 1224;
    }

    public static class Resumption
    {
        public const int Interrupted = 1250;
        public const int Refused = 1251;
        public const int GivenUp = 1252;
        public const int Taken = 1253;
    }

    public static class Liveness
    {
        public const int Changed = 1280;
    }

    public static class Accounting
    {
        public const int ConnectionBroke = 1300;
        public const int Unexpected = 1301;
        public const int Ended = 1302;
    }

    public static class Identity
    {
        public const int NoKeys = 1400;
        public const int NotRead = 1401;
        public const int OlderTenants = 1402;
        public const int LoadFailed = 1403;
        public const int LastKeyRemoved = 1404;
    }

    public static class Body
    {
        public const int CannotSpool = 1480;
    }

    public static class Access
    {
        public const int Refused = 1490;
    }

    public static class Quota
    {
        public const int ExchangeFailed = 1500;
    }

    public static class ModelStore
    {
        public const int TwoWriters = 1510;
    }

    public static class FleetFeed
    {
        public const int NoPicture = 1520;
    }

    public static class Activation
    {
        public const int ScaleUpRequested = 1600;
        public const int Awake = 1601;
        public const int Failed = 1602;
        public const int Refused = 1603;
        public const int Late = 1604;
        public const int Grows = 1605;
        public const int Sleeps = 1606;
        public const int Stays = 1607;
        public const int UseUnknown = 1608;
        public const int Released = 1609;
        public const int KeeperFailed = 1610;
    }

    public static class Discovery
    {
        public const int NoRecords = 1650;
        public const int RecordsAgain = 1651;
        public const int NoEndpoints = 1652;
        public const int EndpointsAgain = 1653;
        public const int ListedAnew = 1654;
        public const int Leaves = 1655;
        public const int NoInstanceFound = 1656;
    }

    public static class Region
    {
        public const int Mistaken = 1670;
        public const int Loop = 1671;
    }

    public static class State
    {
        public const int Healthy = 1700;
        public const int Lost = 1701;
        public const int Refused = 1702;
        public const int RefusesAll = 1703;
        public const int Reconnecting = 1704;
        public const int LedgerFull = 1710;
        public const int LedgerUnwritten = 1711;
        public const int AuditDropped = 1712;
        public const int AuditUnwritten = 1713;
        public const int TenantUnreadable = 1720;
    }

    public static class Settings
    {
        public const int Accepted = 1800;
        public const int Refused = 1801;
        public const int RestartNeeded = 1802;
        public const int Restored = 1803;
        public const int HandlerFailed = 1804;
    }

    public static class Gpu
    {
        public const int Silent = 1850;
        public const int Answers = 1851;
    }

    public static class Audit
    {
        public const int Tenant = 1860;
        public const int Key = 1861;
        public const int Drain = 1862;
        public const int Instance = 1863;
        public const int Tier = 1864;
        public const int Model = 1865;
    }

    public static class Shutdown
    {
        public const int Stopping = 1900;
        public const int Ending = 1901;
    }
}
