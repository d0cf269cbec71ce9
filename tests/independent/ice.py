"""aioice as the controlling agent towards one gateway, on one address family."""

import ipaddress

import aioice
from aioice import stun, turn
from credentials import set_local

REQUESTED_ADDRESS_FAMILY = "REQUESTED-ADDRESS-FAMILY"
STUN_FAMILY = {4: 0x01000000, 6: 0x02000000}


class AllocateFamily(turn.TurnClientUdpProtocol):
    """aioice does not ask for a family and gets an IPv4 address always; this
    asks for the family it talks to the relay with (RFC 8656, 7.2)."""

    async def request(self, request):
        if request.message_method == stun.Method.ALLOCATE:
            version = ipaddress.ip_address(self.server[0]).version
            request.attributes[REQUESTED_ADDRESS_FAMILY] = STUN_FAMILY[version]
        return await super().request(request)


entry = (0x0017, REQUESTED_ADDRESS_FAMILY, stun.pack_unsigned, stun.unpack_unsigned)
stun.ATTRIBUTES_BY_TYPE[entry[0]] = stun.ATTRIBUTES_BY_NAME[entry[1]] = entry
turn.TurnClientUdpProtocol = AllocateFamily

# Kinds of candidate that may be used: ours, the gateway's. Reflexive ones of
# ours need not be named, they go with their hosts.
MODES = {
    "any": ({"host", "relay"}, {"host", "srflx", "relay"}),
    "direct-only": ({"host"}, {"host", "srflx"}),
    "relay-only": ({"relay"}, {"host", "srflx"}),
    "gateway-relay-only": ({"host"}, {"relay"}),
    "both-relays-only": ({"relay"}, {"relay"}),
}


class Relay:
    def __init__(self, address, username, password):
        host, port = address.rsplit(":", 1)
        self.host, self.port = host.strip("[]"), int(port)
        self.version = ipaddress.ip_address(self.host).version
        self.username, self.password = username, password


class Agent:
    def __init__(self, relay, mode):
        self.relay = relay
        ours, self.theirs = MODES[mode]
        # With its own policy of relays only, aioice still checks from hosts.
        self.connection = aioice.Connection(
            ice_controlling=True,
            use_ipv4="host" in ours and relay.version == 4,
            use_ipv6="host" in ours and relay.version == 6,
            turn_server=(relay.host, relay.port) if "relay" in ours else None,
            turn_username=relay.username, turn_password=relay.password)

    async def gather(self):
        """Returns candidate lines. The base of a reflexive candidate is in
        them, which ours never are (firezone-tunnel(7), Candidate lines), and no ufrag."""
        await self.connection.gather_candidates()
        candidates = self.connection.local_candidates
        # Its own queries are IPv4 only. It has no public name for its sockets.
        for protocol in self.connection._protocols:
            if protocol.local_candidate.type == "host":
                candidates.append(await self.reflexive(protocol))
        return [f"candidate:{candidate.to_sdp()}" for candidate in candidates]

    async def reflexive(self, protocol):
        response, _ = await protocol.request(
            stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST),
            (self.relay.host, self.relay.port))
        host, port = response.attributes["XOR-MAPPED-ADDRESS"]
        base = protocol.local_candidate
        return aioice.Candidate(
            foundation="r" + base.foundation[1:], component=1, transport="udp",
            priority=aioice.candidate.candidate_priority(1, "srflx"), host=host, port=port,
            type="srflx", related_address=base.host, related_port=base.port)

    def credentials(self, ours, theirs):
        set_local(self.connection, *ours)
        self.connection.remote_username, self.connection.remote_password = theirs

    async def add(self, line):
        """A candidate line of the gateway."""
        candidate = aioice.Candidate.from_sdp(line.removeprefix("candidate:"))
        if candidate.type in self.theirs:
            await self.connection.add_remote_candidate(candidate)

    async def connect(self):
        """Returns the words that describe the path in use."""
        await self.connection.connect()
        pair = self.connection._nominated[1]
        local, remote = pair.local_candidate, pair.remote_candidate
        relayed = "relay" in (local.type, remote.type)
        return ["relayed" if relayed else "direct",
                local.type, f"[{local.host}]:{local.port}",
                remote.type, f"[{remote.host}]:{remote.port}"]
