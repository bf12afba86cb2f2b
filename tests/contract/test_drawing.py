# SPDX-License-Identifier: Apache-2.0
"""The drawing of a load balancer: what is there, and what is not as it should be."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

import pytest

from networker import exceptions
from networker.drawing import Survey, survey, svg, text
from networker.models import Amphora, LoadBalancer
from networker.testing.contract.steps import allocate, plug
from networker.testing.contract.world import new_id

SVG = "{http://www.w3.org/2000/svg}"


def known_by_ids(lb: LoadBalancer) -> LoadBalancer:
    """Return what an operator would have to know of a load balancer."""
    return LoadBalancer(id=lb.id, amphorae=[Amphora(id=one.id) for one in lb.amphorae])


def drawn(found: Survey) -> tuple[str, ET.Element]:
    """Return both drawings."""
    return text(found), ET.fromstring(svg(found))


def words_of(picture: ET.Element) -> str:
    """Return all that can be read in a picture."""
    return " ".join(line.text or "" for line in picture.iter(f"{SVG}text"))


class TestDrawing:
    def test_what_is_well_is_drawn_as_well(self, network, world, balancer):
        """By its id and those of its amphorae, all is found, and nothing is wrong."""
        lb = balancer()
        vip = plug(network, lb)
        member = lb.amphorae[0].compute_id, world.member_network_ids[0]
        network.plug_network(*member)
        found = survey(network, known_by_ids(lb))
        network.unplug_network(*member)
        assert found.troubles == []
        assert [len(server.plugs) for server in found.servers] == [3, 2]
        assert [s.amphora.compute_id for s in found.servers] == [
            one.compute_id for one in lb.amphorae
        ]
        assert {world.vip_network_id, world.mgmt_network_id} < set(found.networks)
        written, picture = drawn(found)
        assert "as it should be" in written
        assert "NOT AS" not in written
        for each in (vip.ip_address, *(one.vrrp_ip for one in lb.amphorae)):
            assert each in written
            assert each in words_of(picture)
        assert f"lb-{lb.id}" in written

    def test_what_was_given_is_compared(self, network, balancer):
        """Addresses that a controller remembers and the network has not are said."""
        lb = balancer(amphorae=1)
        plug(network, lb)
        lb.amphorae[0].vrrp_ip = "192.0.2.77"
        (found,) = survey(network, lb).troubles
        assert "192.0.2.77" in found
        assert str(lb.amphorae[0].id) in found

    def test_management_is_told_by_its_address(self, network, balancer):
        """The port with the address that the controller knows is the management port."""
        lb = balancer(amphorae=1)
        plug(network, lb)
        (server,) = survey(network, lb).servers
        assert [plug.role for plug in server.plugs] == ["VRRP", "management"]

    def test_nothing_is_there(self, network):
        """A load balancer of which nobody has heard has neither port nor group."""
        lb_id = new_id()
        found = survey(network, LoadBalancer(id=lb_id))
        assert len(found.missing) == 2
        written, picture = drawn(found)
        assert f"octavia-lb-{lb_id}" in written
        assert "Name them" in written
        assert "2 things are not as they should be" in words_of(picture)

    def test_what_is_not_plugged(self, network, balancer):
        """A VIP that was allocated only has no group, and no amphora carries it."""
        lb = balancer(amphorae=1)
        allocate(network, lb)
        found = survey(network, lb)
        assert any("no security group" in each for each in found.missing)
        assert any("not plugged" in each for each in found.troubles)

    def test_a_port_that_is_switched_off(self, network, balancer):
        """A VRRP port that carries no traffic is said, and framed otherwise."""
        lb = balancer(amphorae=1)
        plug(network, lb)
        network.set_port_admin_state_up(lb.amphorae[0].vrrp_port_id, False)
        found = survey(network, known_by_ids(lb))
        (said,) = found.troubles
        assert "switched off" in said
        written, picture = drawn(found)
        assert "NOT AS IT SHOULD BE: It is switched off" in written
        framed = [g for g in picture.iter(f"{SVG}g") if "trouble" in g.get("class", "")]
        assert len(framed) == 1
        assert "NOT AS IT SHOULD BE" in words_of(framed[0])

    def test_a_group_that_was_taken_away(self, network, world, balancer):
        """Ports outside of the load balancer's group are said, each."""
        lb = balancer(amphorae=1)
        vip = plug(network, lb)
        users = world.make_group(f"users-{new_id()}")
        world.set_groups(vip.port_id, [users])
        found = survey(network, known_by_ids(lb))
        (said,) = found.troubles
        assert f"not in the security group lb-{lb.id}" in said
        assert users in {group.id for group in found.groups}

    def test_a_port_that_was_released(self, network, balancer):
        """After failover_preparation a VRRP port is in no server."""
        lb = balancer(amphorae=1)
        plug(network, lb)
        network.failover_preparation(lb.amphorae[0])
        said = survey(network, known_by_ids(lb)).troubles
        assert any("plugged into no server" in each for each in said)
        assert any("No port tells on which server" in each for each in said)
        with_server = survey(network, lb).troubles
        assert not any("No port tells" in each for each in with_server)

    def test_a_vip_that_a_user_brought(self, network, world, balancer):
        """A port under another name is found by its id, and not without."""
        lb = balancer(amphorae=1)
        port = world.stranger(world.vip_network_id, subnet_id=world.vip_subnet_id)
        lb.vip.port_id = port.id
        plug(network, lb)
        assert survey(network, lb).troubles == []
        found = survey(network, known_by_ids(lb))
        assert any("octavia-lb-" in each for each in found.missing)
        assert any("a user brought" in each for each in found.untold)

    def test_a_server_that_is_gone(self, network, balancer):
        """An amphora whose server does not exist is said."""
        lb = balancer(amphorae=1)
        plug(network, lb)
        gone = Amphora(id=new_id(), compute_id=new_id())
        lb.amphorae.append(gone)
        said = survey(network, lb).troubles
        assert any(f"server {gone.compute_id} does not exist" in s for s in said)
        assert any(f"amphora {gone.id}: It has no VRRP port" in s for s in said)

    @pytest.mark.parametrize("lb", [LoadBalancer(), LoadBalancer(id="")])
    def test_no_id(self, network, lb):
        """Nothing is looked for without the id of a load balancer."""
        with pytest.raises(exceptions.InvalidRequest, match=r"load_balancer\.id"):
            survey(network, lb)


class TestPicture:
    def test_it_can_be_read_without_being_seen(self, network, balancer):
        """The picture has a title, a description of all it shows, and a role."""
        lb = balancer(amphorae=1)
        vip = plug(network, lb)
        picture = ET.fromstring(svg(survey(network, known_by_ids(lb))))
        assert picture.get("role") == "img"
        labels = (picture.get("aria-labelledby") or "").split()
        parts: dict[str | None, Any] = {
            e.get("id"): e for e in picture.iter() if e.get("id")
        }
        assert [parts[label].tag for label in labels] == [f"{SVG}title", f"{SVG}desc"]
        assert lb.id in parts[labels[0]].text
        assert vip.ip_address in parts[labels[1]].text
        assert "how many rules" in parts[labels[1]].text

    def test_a_line_leads_from_each_port_to_its_network(self, network, balancer):
        """VIP, VRRP and management ports are joined to the networks they are on."""
        lb = balancer(amphorae=2)
        plug(network, lb)
        found = survey(network, known_by_ids(lb))
        picture = ET.fromstring(svg(found))
        assert len(list(picture.iter(f"{SVG}path"))) == 1 + 2 * 2
        boxes = [g for g in picture.iter(f"{SVG}g") if g.get("class") == "network"]
        assert len(boxes) == len(found.networks) == 2

    def test_colours_are_in_it_or_in_the_page(self, network):
        """On its own it has light and dark; in a page it has no style of its own."""
        found = survey(network, LoadBalancer(id=new_id()))
        assert "prefers-color-scheme: dark" in svg(found)
        assert "<style" not in svg(found, styled=False)

    def test_names_of_others_do_no_harm(self, network, world, balancer):
        """What users call things is shown, whatever is in it, and ends nothing."""
        lb = balancer(amphorae=1)
        lb.name = "</text><script>alert(1)</script>\x1b[2J\n"
        plug(network, lb)
        found = survey(network, lb)
        written, picture = drawn(found)
        assert "\x1b" not in written
        assert "\\x1b[2J" in words_of(picture)
        assert not list(picture.iter(f"{SVG}script"))
