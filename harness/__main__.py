"""``python -m harness`` is the command ``realtime-harness``."""

import sys

from harness.cli import main

sys.exit(main())
