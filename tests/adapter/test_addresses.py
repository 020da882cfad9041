"""Which addresses a callback may not reach."""

from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ossfn.adapter.addresses import refusal

REFUSED = {
    "0.0.0.0": "this host",  # noqa: S104 - refused, not bound
    "0.1.2.3": "this host",
    "10.0.0.1": "private",
    "100.64.0.1": "internal",
    "100.100.100.200": "internal",  # Alibaba Cloud's metadata service
    "127.0.0.1": "loopback",
    "127.255.255.254": "loopback",
    "168.63.129.16": "Azure",
    "169.254.169.254": "metadata",
    "172.16.0.1": "private",
    "172.31.255.255": "private",
    "192.0.0.192": "reserved",  # Oracle Cloud's metadata service
    "192.0.2.1": "documentation",
    "192.88.99.1": "6to4",
    "192.168.1.1": "private",
    "198.18.0.1": "benchmarking",
    "198.51.100.7": "documentation",
    "203.0.113.7": "documentation",
    "224.0.0.1": "multicast",
    "240.0.0.1": "reserved",
    "255.255.255.255": "reserved",
    "::": "this host",
    "::1": "loopback",
    "::127.0.0.1": "inside IPv6",
    "::8.8.8.8": "inside IPv6",
    "::ffff:127.0.0.1": "inside IPv6",
    "::ffff:7f00:1": "inside IPv6",
    "::ffff:8.8.8.8": "inside IPv6",
    "::ffff:0:127.0.0.1": "reserved",  # SIIT
    "64:ff9b::7f00:1": "NAT64",
    "64:ff9b:1::a00:1": "NAT64",
    "100::1": "reserved",
    "2001::1": "Teredo",
    "2001:10::1": "reserved",
    "2001:db8::1": "documentation",
    "2002:7f00:1::1": "6to4",
    "3fff::1": "documentation",
    "5f00::1": "reserved",
    "fc00::1": "private",
    "fd00:ec2::254": "private",  # Amazon's metadata service
    "fe80::1": "link-local",
    "fe80::1%eth0": "link-local",
    "fec0::1": "site-local",
    "ff02::1": "multicast",
    # No IP addresses as a resolver gives them: refused, since nobody knows what they would be read as.
    "2130706433": "not an IP address",
    "127.1": "not an IP address",
    "0x7f.1": "not an IP address",
    "0177.0.0.1": "not an IP address",
    "127.000.000.001": "not an IP address",
    "[::ffff:127.0.0.1]": "not an IP address",
    "localhost": "not an IP address",
    "localhost.": "not an IP address",
    "": "not an IP address",
}


@pytest.mark.parametrize(("address", "word"), REFUSED.items())
def test_what_is_not_on_the_public_internet_is_refused(address: str, word: str) -> None:
    assert word in (refusal(address, ()) or "")


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00::1"])
def test_public_addresses_pass(address: str) -> None:
    assert refusal(address, ()) is None


@given(st.ip_addresses())
def test_what_the_standard_library_calls_not_global_never_passes(address: IPv4Address | IPv6Address) -> None:
    assert address.is_global or refusal(str(address), ()) is not None


@given(st.ip_addresses(v=4))
def test_no_ipv4_address_passes_inside_an_ipv6_address(inner: IPv4Address) -> None:
    octets = int(inner)
    wrapped = [0xFFFF << 32 | octets, octets, 0x64FF9B << 96 | octets, 0x2002 << 112 | octets << 80 | 1]
    assert all(refusal(str(IPv6Address(outer)), ()) is not None for outer in wrapped)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("10.1.2.3", "10.1.0.0/16"),
        ("127.0.0.1", "127.0.0.0/8"),
        ("fd00::5", "fd00::/8"),
        ("fe80::1%eth0", "fe80::/10"),
        ("::ffff:10.1.2.3", "10.1.0.0/16"),
        ("64:ff9b::a01:203", "10.1.0.0/16"),
        ("64:ff9b::808:808", "64:ff9b::/96"),
        ("2002:a01:203::1", "10.1.0.0/16"),
        ("2001:0:4136:e378:8000:63bf:f5fe:fdfc", "10.1.2.3/32"),  # Teredo keeps the client's bits inverted
    ],
)
def test_an_allowed_network_passes_also_when_wrapped(address: str, network: str) -> None:
    assert refusal(address, [ip_network("192.168.0.0/16"), ip_network(network)]) is None


def test_allowing_one_network_allows_no_other() -> None:
    allowed = [ip_network("10.1.0.0/16")]
    assert (
        refusal("10.2.0.1", allowed) == "10.2.0.1 is a private address; to allow it, add its network to callback_allow"
    )
    assert refusal("::ffff:10.2.0.1", allowed) is not None
