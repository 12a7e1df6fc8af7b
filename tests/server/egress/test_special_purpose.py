from ipaddress import ip_address

import pytest

from server.egress.special_purpose import BLOCKS, Block, is_public


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: str(block.network))
def test_each_row_decides_for_its_block(block: Block) -> None:
    """Both ends of a block, unless a more specific row has them."""
    for address in (block.network[0], block.network[-1]):
        inner = [other for other in BLOCKS if address in other.network and other.network.subnet_of(block.network)]
        if inner == [block]:
            assert is_public(address) == block.is_global


@pytest.mark.parametrize("address", ["3fff::1", "3fff:fff:ffff::1", "5f00::1", "100:0:0:1::1", "192.88.99.1"])
def test_rows_that_python_lacks_are_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["93.184.216.34", "1.1.1.1", "2606:4700::1111", "2400::1", "2001:200::1"])
def test_other_unicast_addresses_are_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize("address", ["224.0.0.1", "ff02::1", "ff0e::1", "4000::1", "fec0::1", "::2", "::127.0.0.1"])
def test_multicast_and_unrouted_space_are_not_public(address: str) -> None:
    assert not is_public(ip_address(address))
