# SPDX-License-Identifier: Apache-2.0
"""How Sphinx makes HTML of the documents: ``make html``."""

from __future__ import annotations

from importlib import metadata

import networker._threads  # noqa: F401 - before anything of oslo.messaging

project = "networker"
project_copyright = "The networker developers"
release = version = metadata.version("networker")

extensions = [
    "cliff.sphinxext",
    "myst_parser",
    "oslo_config.sphinxext",
    "sphinx.ext.autodoc",
]
exclude_patterns = ["man"]
html_theme = "furo"
html_title = f"networker {release}"
html_copy_source = False

#: How deep headings are that other pages link to.
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "none"

autoprogram_cliff_application = "networker"
autoprogram_cliff_app_dist_name = "networker"
