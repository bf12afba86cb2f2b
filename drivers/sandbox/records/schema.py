# SPDX-License-Identifier: Apache-2.0
"""The tables of a sandbox. Rows keep the order in which they were made (rowid)."""

#: What tells a sandbox's database from others (SQLite's ``application_id``): "nwkr".
APPLICATION_ID = 0x6E776B72
#: Raised whenever a table changes (SQLite's ``user_version``).
VERSION = 4
#: Columns that are true or false, which SQLite has as 1 or 0.
BOOLEANS = frozenset(
    {
        "admin_state_up",
        "made_at_boot",
        "port_security_enabled",
        "router_external",
        "shared",
    }
)

STATEMENTS = (
    """
    CREATE TABLE networks (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        project_id TEXT NOT NULL,
        admin_state_up INTEGER NOT NULL DEFAULT 1,
        router_external INTEGER NOT NULL,
        shared INTEGER NOT NULL,
        port_security_enabled INTEGER NOT NULL,
        mtu INTEGER NOT NULL,
        provider_network_type TEXT,
        provider_physical_network TEXT,
        provider_segmentation_id INTEGER
    )
    """,
    """
    CREATE TABLE subnets (
        id TEXT PRIMARY KEY,
        network_id TEXT NOT NULL REFERENCES networks ON DELETE CASCADE,
        name TEXT NOT NULL,
        project_id TEXT NOT NULL,
        cidr TEXT NOT NULL,
        ip_version INTEGER NOT NULL,
        gateway_ip TEXT
    )
    """,
    """
    CREATE TABLE servers (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        project_id TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE qos_policies (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        project_id TEXT NOT NULL,
        shared INTEGER NOT NULL
    )
    """,
    # device_id also names what is no server, so it cannot be a foreign key.
    """
    CREATE TABLE ports (
        id TEXT PRIMARY KEY,
        network_id TEXT NOT NULL REFERENCES networks ON DELETE CASCADE,
        name TEXT NOT NULL,
        project_id TEXT NOT NULL,
        mac_address TEXT NOT NULL,
        device_id TEXT NOT NULL,
        device_owner TEXT NOT NULL,
        status TEXT NOT NULL,
        admin_state_up INTEGER NOT NULL,
        qos_policy_id TEXT REFERENCES qos_policies,
        vnic_type TEXT NOT NULL,
        dns_name TEXT NOT NULL DEFAULT '',
        made_at_boot INTEGER NOT NULL DEFAULT 0,
        UNIQUE (network_id, mac_address)
    )
    """,
    "CREATE INDEX ports_by_device ON ports (device_id)",
    """
    CREATE TABLE fixed_ips (
        port_id TEXT NOT NULL REFERENCES ports ON DELETE CASCADE,
        subnet_id TEXT NOT NULL REFERENCES subnets,
        address TEXT NOT NULL,
        UNIQUE (subnet_id, address)
    )
    """,
    "CREATE INDEX fixed_ips_by_port ON fixed_ips (port_id)",
    """
    CREATE TABLE allowed_addresses (
        port_id TEXT NOT NULL REFERENCES ports ON DELETE CASCADE,
        address TEXT NOT NULL,
        PRIMARY KEY (port_id, address)
    )
    """,
    """
    CREATE TABLE security_groups (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        project_id TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE security_group_rules (
        id INTEGER PRIMARY KEY,
        security_group_id TEXT NOT NULL REFERENCES security_groups ON DELETE CASCADE,
        direction TEXT NOT NULL,
        ethertype TEXT NOT NULL,
        protocol TEXT,
        port_range_min INTEGER,
        port_range_max INTEGER,
        remote_ip_prefix TEXT,
        remote_group_id TEXT REFERENCES security_groups ON DELETE CASCADE
    )
    """,
    # NULLs differ from each other in SQL, but a rule that is there twice is refused.
    """
    CREATE UNIQUE INDEX rules_once ON security_group_rules (
        security_group_id, direction, ethertype, ifnull(protocol, ''),
        ifnull(port_range_min, -1), ifnull(port_range_max, -1),
        ifnull(remote_ip_prefix, ''), ifnull(remote_group_id, '')
    )
    """,
    # A group that a port has cannot be deleted: no cascade.
    """
    CREATE TABLE port_security_groups (
        port_id TEXT NOT NULL REFERENCES ports ON DELETE CASCADE,
        security_group_id TEXT NOT NULL REFERENCES security_groups,
        PRIMARY KEY (port_id, security_group_id)
    )
    """,
    # What ports were that are others', as long as a VIP is on them.
    """
    CREATE TABLE lent_ports (
        port_id TEXT PRIMARY KEY REFERENCES ports ON DELETE CASCADE,
        before TEXT NOT NULL
    )
    """,
    "CREATE INDEX ports_by_group ON port_security_groups (security_group_id)",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {VERSION}",
)
