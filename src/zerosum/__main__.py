"""``python -m zerosum`` is ``zerosum``; it is what ``torchrun -m zerosum`` starts."""

from zerosum.cli.main import main

main()
