# SPDX-License-Identifier: Apache-2.0
"""The console in a browser: opened, filtered, a worker killed, a letter replayed."""

from __future__ import annotations

import io
import os
import pathlib
import signal
import socket
import uuid
from typing import Any

import pytest

from networker.models import ALLOCATED, VIP, Amphora, Listener, LoadBalancer
from tests.console.conftest import PICTURES, Operated
from tests.integration.test_dead import envelope
from tests.integration.test_worker import children, eventually

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
SECRET = "s3cr3t-of-somebody"
#: Of the pictures of the documents.
SCALE, COLOURS = 0.6, 24


def rows(page: Any, table: str) -> Any:
    """Return the rows of a table that tell of something."""
    return page.locator(f"#{table} tbody tr:not([data-key=''])")


def names(operated: Operated) -> list[str]:
    """Return the workers as the console names them."""
    host = socket.gethostname()
    return sorted(f"{host}:{pid}" for pid in children(operated.workers))


def shown(page: Any) -> list[str]:
    return sorted(rows(page, "workers").locator("th").all_inner_texts())


def balancer(operated: Operated) -> LoadBalancer:
    """Plug a load balancer into two servers, one of them into a member network, too."""
    networks = {n.name: n.id or "" for n in operated.sandbox.networks()}
    servers = sorted(operated.sandbox.servers().values())[:2]
    lb = LoadBalancer(
        id=str(uuid.uuid4()),
        name="shop",
        topology="ACTIVE_STANDBY",
        vip=VIP(network_id=networks["vip-net"]),
        listeners=[Listener(id="web", protocol="HTTP", protocol_port=80)],
        amphorae=[
            Amphora(id=str(uuid.uuid4()), compute_id=server, status=ALLOCATED)
            for server in servers
        ],
    )
    lb.vip = operated.client.allocate_vip(lb)
    lb.amphorae = operated.client.plug_vip(lb, lb.vip)
    operated.client.plug_network(servers[0], networks["member-net-1"])
    return lb


def draw(page: Any, lb: LoadBalancer) -> None:
    """Let a load balancer be drawn, with the keyboard alone."""
    page.locator("#balancer").focus()
    page.keyboard.type(lb.id or "")
    page.keyboard.press("Tab")
    page.keyboard.type(" ".join(amphora.id or "" for amphora in lb.amphorae))
    page.keyboard.press("Enter")
    page.locator("#picture svg").wait_for()


def test_opened_and_filtered(operated, page):
    """Both workers are there, and only one of them when its number is looked for."""
    page.goto(operated.url)
    rows(page, "workers").nth(1).wait_for()
    assert shown(page) == names(operated)
    page.locator("#state.good").wait_for()
    assert page.locator("#state-text").inner_text() == "all is well"
    one, other = shown(page)
    page.get_by_label("Show workers and calls with").fill(other)
    rows(page, "workers").nth(1).wait_for(state="detached")
    assert shown(page) == [other]
    assert "1 of 2 workers" in page.locator("#filtered").inner_text()
    page.get_by_label("Show workers and calls with").fill("")
    rows(page, "workers").nth(1).wait_for()
    assert shown(page) == [one, other]


def test_what_runs_and_what_has_run(operated, page):
    """Running calls are shown with their load balancer, and later they are counted."""
    page.goto(operated.url)
    rows(page, "workers").nth(1).wait_for()
    networks = {n.name: n.id for n in operated.sandbox.networks()}
    made = [LoadBalancer(id=str(uuid.uuid4())) for _ in range(40)]
    for lb in made:
        lb.vip = VIP(network_id=networks["vip-net"])
        operated.client.cast.allocate_vip(lb)
    first = rows(page, "running").first
    first.wait_for()
    text = first.inner_text()
    assert "allocate_vip" in text
    assert any(str(lb.id) in text for lb in made)
    rows(page, "running").first.wait_for(state="detached")
    counted = rows(page, "methods").filter(has_text="allocate_vip")
    counted.wait_for()
    eventually(lambda: "40" in counted.inner_text().split())


def test_a_killed_worker_is_seen_to_go(operated, page):
    """Its row goes, another one comes, and both are said to who listens."""
    page.goto(operated.url)
    rows(page, "workers").nth(1).wait_for()
    victim, *_ = children(operated.workers)
    name = f"{socket.gethostname()}:{victim}"
    row = rows(page, "workers").filter(has_text=name)
    assert row.count() == 1
    os.kill(victim, signal.SIGKILL)
    row.wait_for(state="detached")
    page.get_by_role("log").get_by_text(f"Worker {name} has gone.").wait_for()
    page.get_by_role("log").get_by_text("has come.").wait_for()
    eventually(lambda: shown(page) == names(operated))


def test_a_letter_is_replayed(operated, page, bury):
    """A dead letter is read without its secrets, and replayed with the token alone."""
    networks = {n.name: n.id for n in operated.sandbox.networks()}
    lb_id, operation_id = str(uuid.uuid4()), str(uuid.uuid4())
    vip = {"network_id": networks["vip-net"]}
    # What a model does not know is ignored where it is decoded.
    wanted = {"id": lb_id, "vip": vip, "auth_token": SECRET}
    bury(envelope(operation_id, "allocate_vip", load_balancer=wanted))
    page.goto(operated.url)
    page.get_by_text("1 in the queue.").wait_for()
    page.get_by_role("button", name="Look at dead letters").click()
    (letter,) = [rows(page, "dead-letters").filter(has_text=operation_id)]
    letter.get_by_text("Contents").click()
    contents = letter.locator("pre").inner_text()
    assert networks["vip-net"] in contents
    assert "***" in contents
    assert SECRET not in page.content()
    letter.get_by_role("button", name=f"Replay {operation_id}").click()
    dialog = page.get_by_role("dialog", name="Replay?")
    dialog.get_by_label("Token").fill("guessed")
    dialog.get_by_label("Token").press("Enter")
    dialog.get_by_role("alert").get_by_text("needs the token").wait_for()
    assert not operated.sandbox.ports(name=f"octavia-lb-{lb_id}")
    dialog.get_by_label("Token").fill(operated.token)
    dialog.get_by_role("button", name="Replay").click()
    dialog.wait_for(state="hidden")
    page.get_by_text("There are no dead letters.").wait_for()
    eventually(lambda: operated.sandbox.ports(name=f"octavia-lb-{lb_id}"))


def test_a_question_can_be_left(operated, page, bury):
    """Escape leaves everything as it is."""
    operation_id = str(uuid.uuid4())
    bury(envelope(operation_id))
    page.goto(operated.url)
    page.get_by_role("button", name="Look at dead letters").click()
    page.get_by_role("button", name="Replay").first.click()
    dialog = page.get_by_role("dialog", name="Replay?")
    dialog.wait_for()
    page.keyboard.press("Escape")
    dialog.wait_for(state="hidden")
    page.get_by_text("1 in the queue.").wait_for()
    assert operation_id in rows(page, "dead-letters").inner_text()


def test_a_drawing(operated, page):
    """A load balancer is drawn in the page, and what is wrong is said."""
    lb = balancer(operated)
    operated.client.set_port_admin_state_up(lb.amphorae[1].vrrp_port_id, False)
    page.goto(operated.url)
    draw(page, lb)
    page.get_by_role("img", name=f"load balancer {lb.id}").wait_for()
    said = page.locator("#drawing-said").inner_text()
    assert said.startswith("Not as it should be:")
    assert "switched off" in said
    assert page.locator("#picture g.trouble").count() == 1
    page.get_by_text("The same in words").click()
    assert lb.vip
    assert lb.vip.ip_address in page.locator("#drawing-text").inner_text()


def test_by_keyboard(operated, page):
    """The first stop leads past the menu, and where one is can be seen."""
    page.goto(operated.url)
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="To the content")
    assert skip.evaluate("each => each === document.activeElement")
    assert skip.bounding_box()["x"] >= 0
    width = skip.evaluate("each => getComputedStyle(each).outlineWidth")
    assert float(width.removesuffix("px")) >= 2
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def contrast(page: Any, selector: str) -> float:
    """Return the contrast of a text with the page (WCAG 2.1, 1.4.3)."""
    found: float = page.evaluate(
        """(selector) => {
          const light = (colour) => {
            const [r, g, b] = colour.match(/[\\d.]+/g).map((v) => v / 255)
              .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
          };
          const of = (each) => getComputedStyle(each);
          const both = [of(document.querySelector(selector)).color,
            of(document.body).backgroundColor].map(light).sort((a, b) => b - a);
          return (both[0] + 0.05) / (both[1] + 0.05);
        }""",
        selector,
    )
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark(operated, page, scheme, bury):
    """Both can be read; with PICTURES the documents' pictures are made."""
    page.emulate_media(color_scheme=scheme)
    if PICTURES:
        lb = balancer(operated)
        operated.client.set_port_admin_state_up(lb.amphorae[1].vrrp_port_id, False)
        bury(envelope(str(uuid.uuid4()), "plug_vip", load_balancer={"id": lb.id}))
    page.goto(operated.url)
    rows(page, "workers").nth(1).wait_for()
    for selector in ("h2", "caption", "nav a", "#state-text", "footer"):
        assert contrast(page, selector) >= 4.5
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")
    if PICTURES:
        take_picture(
            operated, page, pathlib.Path(PICTURES) / f"console-{scheme}.png", lb
        )


def take_picture(
    operated: Operated, page: Any, path: pathlib.Path, lb: LoadBalancer
) -> None:
    """Photograph a page on which there is something to be seen."""
    page.get_by_role("button", name="Look at dead letters").click()
    draw(page, lb)
    for _ in range(30):
        operated.client.cast.update_vip(lb)
    rows(page, "running").first.wait_for()
    page.set_viewport_size({"width": 1480, "height": 900})
    save(page.screenshot(full_page=True), path)


def save(picture: bytes, path: pathlib.Path) -> None:
    """Write a picture for the documents: smaller, and with few colours."""
    from PIL import Image

    full = Image.open(io.BytesIO(picture)).convert("RGB")
    size = round(full.width * SCALE), round(full.height * SCALE)
    small = full.resize(size, Image.Resampling.LANCZOS)
    path.parent.mkdir(exist_ok=True)
    small.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    assert path.stat().st_size < 150 * 1024
