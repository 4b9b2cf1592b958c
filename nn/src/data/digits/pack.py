"""Packs scikit-learn's digits for the crate: python3 pack.py digits.csv digits.bin

The table (65 numbers a row: 64 pixels from 0 to 16, then the label) becomes one stream of
digits to the base 17, fifteen to a little-endian 64-bit word, the first one least significant.
1,797 rows are exactly 7,787 words.
"""
import sys

numbers = [int(float(n)) for line in open(sys.argv[1]) for n in line.split(",")]
assert len(numbers) == 1797 * 65 and len(numbers) % 15 == 0 and set(numbers) == set(range(17))
with open(sys.argv[2], "wb") as out:
    for i in range(0, len(numbers), 15):
        word = sum(n * 17**k for k, n in enumerate(numbers[i : i + 15]))
        out.write(word.to_bytes(8, "little"))
