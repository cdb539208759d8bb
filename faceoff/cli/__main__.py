"""``python -m faceoff.cli``: the command where no script is installed."""

import sys

from faceoff.cli import main

sys.exit(main())
