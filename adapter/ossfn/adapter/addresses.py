"""Which addresses a callback may not reach: all that are not on the public internet, unless an operator allows them.

Pure. It judges an address, never a name: the connector resolves a name once, asks here, and connects to the address it
asked about, so no second look-up can give another answer between the check and its use.
"""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Sources: https://www.iana.org/assignments/iana-ipv4-special-registry and …/iana-ipv6-special-registry (RFC 6890 and
# its updates). `ipaddress.is_global` differs between Python's patch releases and calls 6to4 and NAT64 global.
_CLOSED: tuple[tuple[Network, str], ...] = tuple(
    (ip_network(network), words)
    for network, words in (
        ("0.0.0.0/8", "an address of this host"),
        ("10.0.0.0/8", "a private address"),
        ("100.64.0.0/10", "a carrier's or cloud's internal address"),
        ("127.0.0.0/8", "a loopback address"),
        ("168.63.129.16/32", "Azure's host agent"),
        ("169.254.0.0/16", "a link-local address, where clouds keep their metadata service"),
        ("172.16.0.0/12", "a private address"),
        ("192.0.0.0/24", "a reserved address"),
        ("192.0.2.0/24", "a documentation address"),
        ("192.88.99.0/24", "a 6to4 relay"),
        ("192.168.0.0/16", "a private address"),
        ("198.18.0.0/15", "a benchmarking address"),
        ("198.51.100.0/24", "a documentation address"),
        ("203.0.113.0/24", "a documentation address"),
        ("224.0.0.0/4", "a multicast address"),
        ("240.0.0.0/4", "a reserved address"),
        ("::/128", "an address of this host"),
        ("::1/128", "a loopback address"),
        ("::ffff:0:0/96", "an IPv4 address inside IPv6"),
        ("::/96", "an IPv4 address inside IPv6"),
        ("64:ff9b::/96", "an IPv4 address behind NAT64"),
        ("64:ff9b:1::/48", "an IPv4 address behind NAT64"),
        ("2001::/32", "an IPv4 address behind Teredo"),
        ("2001::/23", "a reserved address"),
        ("2001:db8::/32", "a documentation address"),
        ("2002::/16", "an IPv4 address behind 6to4"),
        ("3fff::/20", "a documentation address"),
        ("fc00::/7", "a private address"),
        ("fe80::/10", "a link-local address"),
        ("fec0::/10", "a site-local address"),
        ("ff00::/8", "a multicast address"),
    )
)
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_IPV4_IN_LAST_32_BITS = tuple(IPv6Network(n) for n in ("::ffff:0:0/96", "::/96", "64:ff9b::/96", "64:ff9b:1::/48"))


def refusal(address: str, allowed: Sequence[Network]) -> str | None:
    """Why a callback may not be sent to this IP address, in words, or None when it may.

    An address inside one of `allowed` is never refused; one that wraps an IPv4 address (mapped, NAT64, 6to4, Teredo) is
    allowed when the IPv4 address is. Whatever is not an IP address in its usual spelling is refused.
    """
    try:
        # A zone (`fe80::1%eth0`) says which interface, not which address.
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return f"{address} is not an IP address"
    if any(form in network for form in (ip, *_wrapped(ip)) for network in allowed):
        return None
    words = _closed(ip)
    return words and f"{address} is {words}; to allow it, add its network to callback_allow"


def _closed(ip: Address) -> str | None:
    for network, words in _CLOSED:
        if ip in network:
            return words
    if isinstance(ip, IPv6Address) and ip not in _GLOBAL_UNICAST:
        return "a reserved address"
    return None


def _wrapped(ip: Address) -> Iterable[IPv4Address]:
    """The IPv4 addresses that an IPv6 address leads to."""
    if isinstance(ip, IPv4Address):
        return
    if any(ip in network for network in _IPV4_IN_LAST_32_BITS):
        yield IPv4Address(int(ip) & 0xFFFF_FFFF)
    if ip.sixtofour is not None:
        yield ip.sixtofour
    if ip.teredo is not None:
        yield ip.teredo[1]
