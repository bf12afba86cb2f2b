# SPDX-License-Identifier: Apache-2.0
"""What a configuration says is what runs, or it is refused and says what is wrong."""

from __future__ import annotations

import logging
import uuid

import pytest
from oslo_config import cfg

from networker import conf as options
from networker import drivers, rpc, service
from networker.rpc.transport import open_transport
from networker.testing import kit, processes
from tests.fakecloud import FakeCloud


@pytest.fixture
def path(tmp_path):
    return tmp_path / "networker.conf"


@pytest.fixture
def checked(path, tmp_path):
    """Check a configuration as a worker does, given by groups over one that works."""

    def check(**groups: dict[str, object]) -> service.Report:
        settings: dict[str, dict[str, object]] = {
            "DEFAULT": {"transport_url": "fake:/"},
            "networker": {"driver": "sandbox"},
            "sandbox": {"database": tmp_path / "sandbox.sqlite"},
        }
        for group, values in groups.items():
            settings[group] = settings.get(group, {}) | values
        processes.write(path, settings)
        return service.check(options.load(["--config-file", str(path)]))

    return check


@pytest.fixture
def cloud():
    with FakeCloud() as running:
        yield running


def access(fake, **changes):
    """Return the groups that name a fake cloud, some options of [neutron] changed."""
    right = fake.clouds()["clouds"]["fake"]
    endpoint = {"region_name": "RegionOne", "valid_interfaces": "public"}
    neutron = {"auth_type": "password", **right["auth"], **endpoint, **changes}
    return {"networker": {"driver": "neutron"}, "neutron": neutron, "nova": endpoint}


def test_a_right_one_is_described(checked):
    """The report says driver, topic, broker and versions."""
    report = checked()
    assert report.warnings == []
    assert report.facts["driver"] == "sandbox"
    assert report.facts["topic"] == "networker/networker"
    assert {"broker", "networker", "oslo.messaging"} <= set(report.facts)


@pytest.mark.parametrize(
    ("groups", "text"),
    [
        ({"networker": {"drivr": "x"}}, "[networker] drivr: there is no such option"),
        ({"networker": {"drivr": "x"}}, "did you mean driver?"),
        ({"networker": {"wrokers": 2}}, "did you mean workers?"),
        ({"networker": {"mac_prefix": "0a:00"}}, "[networker] mac_prefix: there is no"),
        ({"networker": {"database": "x"}}, "it belongs into [sandbox]"),
        ({"sandbox": {"latncy": 1}}, "did you mean latency?"),
        ({"DEFAULT": {"transprt_url": "x"}}, "did you mean transport_url?"),
        ({"netwrker": {"driver": "x"}}, "[netwrker]: there is no such group"),
        ({"netwrker": {"driver": "x"}}, "did you mean [networker]?"),
        ({"neutron": {"clod": "x"}}, "did you mean cloud?"),
        ({"qqqqq": {"x": 1}}, "[qqqqq]: there is no such group"),
    ],
)
def test_names_that_nobody_reads(checked, path, groups, text):
    """They are refused, with the file, and the name that may have been meant."""
    with pytest.raises(service.Refused) as refused:
        checked(**groups)
    assert text in str(refused.value)
    assert str(path) in str(refused.value)
    assert refused.value.code == 2


def test_all_names_are_told_at_once(checked):
    """One line has all of them, and a misspelt driver is not told as a missing one."""
    with pytest.raises(service.Refused) as refused:
        checked(networker={"driver": "", "drivr": "sandbox", "wrokers": 2})
    assert "drivr" in str(refused.value)
    assert "wrokers" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "groups",
    [
        {"oslo_messaging_rabbit": {"heartbeat_rate": 3}},
        {"OSLO_MESSAGING_RABBIT": {"heartbeat_rate": 3}},
        {"oslo_messaging_notifications": {"driver": "noop"}},
        {"oslo_middleware": {"max_request_body_size": 5, "unheard_of": 1}},
        {"cors": {"allowed_origin": "x"}},
        {"DEFAULT": {"debug": "true", "log_dir": "", "rpc_response_timeout": 5}},
        {"DEFAULT": {"graceful_shutdown_timeout": 5}},
        {"DEFAULT": {"logdir": ""}},  # the old name of log_dir
        {"networker_octavia": {"api_timeout": 5}},
        {"neutron": {"cloud": "x"}},
        {"neutron": {"auth_type": "v3token", "token": "x", "auth_url": "x"}},
        {"neutron": {"application_credential_id": "x", "cafile": "x"}},
        {"nova": {"interface": "public"}},
        {"taskflow": {}},
    ],
)
def test_what_others_know_is_left_alone(checked, groups):
    """Options of other projects, of drivers that are not used, and old names are right."""
    assert checked(**groups).warnings == []


def test_others_options_that_nobody_knows_are_told(checked, path):
    """A library's options come and go with its releases: that is a warning."""
    checked(oslo_messaging_rabbit={"hartbeat_rate": 3})
    conf = options.load(["--config-file", str(path)])
    conf.set_override("transport_url", "rabbit:/")
    open_transport(conf)
    (warning,) = service.names(conf)
    assert "[oslo_messaging_rabbit] hartbeat_rate: there is no such option" in warning
    assert "did you mean heartbeat_rate?" in warning


def test_files_in_a_directory_are_looked_at(checked, path, tmp_path):
    """Those of --config-dir are named as the others."""
    folder = tmp_path / "conf.d"
    folder.mkdir()
    checked()
    wrong = processes.write(folder / "10-more.conf", {"networker": {"thread": 5}})
    arguments = ["--config-file", str(path), "--config-dir", str(folder)]
    with pytest.raises(service.Refused, match="did you mean threads") as refused:
        service.check(options.load(arguments))
    assert str(wrong) in str(refused.value)


@pytest.mark.parametrize(
    ("groups", "text"),
    [
        (
            {
                "DEFAULT": {"transport_url": "rabbit://127.0.0.1:1/"},
                "oslo_messaging_rabbit": {"heartbeat_rate": "often"},
            },
            "heartbeat_rate",
        ),
        ({"networker": {"threads": 0}}, "threads"),
        ({"DEFAULT": {"graceful_shutdown_timeout": "x"}}, "graceful_shutdown_timeout"),
        ({"DEFAULT": {"use_json": "perhaps"}}, "use_json"),
        ({"networker": {"driver": ""}}, "driver is not set"),
        ({"networker": {"driver": "nuetron"}}, "installed are neutron, sandbox"),
    ],
)
def test_every_value_is_read(checked, groups, text):
    """A wrong one is refused with the option's name, whoever would read it, and when."""
    with pytest.raises((service.Refused, cfg.Error), match=text) as refused:
        checked(**groups)
    assert "LocationInfo" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_worker_has_no_default_driver():
    """Which network answers is for the operator to say."""
    conf = options.load(["--config-file", "/dev/null"])
    with pytest.raises(drivers.Misconfigured, match="driver is not set"):
        drivers.load(conf)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"mac_prefix": "zz:00:11"}, "[neutron] mac_prefix: "),
        ({"pasword": "x"}, "did you mean password?"),
        ({"cafile": "/none.pem"}, "[neutron] cafile = /none.pem: No such file"),
        ({"certfile": "/none.crt"}, "[neutron] certfile = /none.crt: No such file"),
        ({"cafile": __file__}, "has no certificate in PEM format"),
        ({"application_credential_id": "x"}, ""),
    ],
)
def test_options_of_the_cloud(checked, cloud, changes, text):
    """They are refused with their names before anything is asked of the cloud."""
    if not text:
        checked(**access(cloud, **changes))
        return
    with pytest.raises(service.Refused) as refused:
        checked(**access(cloud, **changes))
    assert text in str(refused.value)
    assert refused.value.code == 2


def test_what_has_no_effect_beside_a_cloud(checked, path, cloud):
    """clouds.yaml says all of it: other options of both groups are refused by name."""
    groups = access(cloud, cloud="mine", mac_prefix="0a:00")
    with pytest.raises(service.Refused) as refused:
        checked(**groups)
    text = str(refused.value)
    assert "[neutron] cloud = mine says all of it" in text
    assert "[neutron] password" in text
    assert "[nova] region_name" in text
    assert "mac_prefix" not in text
    assert "fake" not in text.replace(str(path), ""), "a value is shown"


def test_roles(checked, cloud):
    """They are in the report, and those that Neutron's policies want are missed."""
    report = checked(**access(cloud))
    assert "service" in report.facts["roles"]
    assert report.warnings == []
    assert cloud.clouds()["clouds"]["fake"]["auth"]["auth_url"] == report.facts["cloud"]
    report = checked(**access(cloud, username="demo", project_name="demo"))
    (warning,) = report.warnings
    assert "lacks the roles service" in warning


def caller(tmp_path, **groups):
    """Read a configuration as a controller does that has groups of its own."""
    path = processes.write(
        tmp_path / "octavia.conf",
        {
            "DEFAULT": {"transport_url": "fake:/", "octavia_plugins": "hot_plug"},
            "controller_worker": {"amp_timeout": 3},
            "networker": {"topic": f"t-{uuid.uuid4()}"},
            **groups,
        },
    )
    conf = cfg.ConfigOpts()
    conf(["--config-file", str(path)], project="octavia")
    return conf


def test_a_controller_is_told_of_ours_only(tmp_path, caplog):
    """Its own groups are its own; what is misspelt in networker's is logged."""
    with caplog.at_level(logging.WARNING), rpc.connect(caller(tmp_path)):
        assert caplog.text == ""
    wrong = {
        "networker": {"pool_timeut": 5},
        "networker_octavia": {"api_timeot": 5, "flow_timeout": 5},
    }
    with caplog.at_level(logging.WARNING), rpc.connect(caller(tmp_path, **wrong)):
        assert "did you mean pool_timeout?" in caplog.text
        assert "did you mean api_timeout?" in caplog.text
        assert "controller_worker" not in caplog.text
        assert "flow_timeout" not in caplog.text


def test_a_configuration_that_was_never_read_from_files(tmp_path, caplog):
    """Values that were set by the program are no names in files."""
    conf = options.register(cfg.ConfigOpts())
    conf.set_override("transport_url", "fake:/")
    with caplog.at_level(logging.WARNING), rpc.connect(conf):
        assert caplog.text == ""
    assert kit.configuration(tmp_path / "sandbox.sqlite").networker.driver is None
