"""Four bits a value, and columns in order: what is lost, and what is not."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from interlingua.encoders.int4 import Int4Rows, pack_int4, unpack_int4
from interlingua.errors import InputError
from interlingua.training.order import even_lengths, order_columns
from interlingua.vectors import unit_rows


def unpacked(packed, scales):
    groups = unpack_int4(packed).reshape(len(packed), scales.shape[1], 64)
    return (groups * scales[:, :, None].astype(np.float32)).reshape(len(packed), -1)


def cosines(a, b):
    return np.einsum("ij,ij->i", unit_rows(a), unit_rows(b))


def test_int4_rows_lose_half_a_percent_and_take_half_a_byte():
    table = np.random.default_rng(0).normal(size=(500, 128)).astype(np.float32)
    packed, scales = pack_int4(table)
    assert packed.nbytes + scales.nbytes == 500 * (64 + 4)
    assert cosines(unpacked(packed, scales), table).min() > 0.98
    assert cosines(unpacked(packed, scales), table).mean() > 0.995


def test_the_lengths_of_rows_keep_their_ratios_and_a_row_of_zeros_stays_one():
    table = np.random.default_rng(0).normal(size=(3, 64)).astype(np.float32)
    table[1] = table[0] * 1000
    table[2] = 0
    back = unpacked(*pack_int4(table))
    lengths = np.linalg.norm(back, axis=1)
    assert np.isclose(lengths[1] / lengths[0], 1000, rtol=1e-2)
    assert not back[2].any()
    assert not unpacked(*pack_int4(table[2:])).any()


def test_a_group_of_columns_has_a_scale_of_its_own():
    table = np.random.default_rng(0).normal(size=(200, 128)).astype(np.float32)
    table[:, 64:] *= 1e-3
    back = unpacked(*pack_int4(table))
    assert cosines(back[:, 64:], table[:, 64:]).min() > 0.98


def test_int4_wants_whole_groups():
    with pytest.raises(InputError, match="Rows of 100 columns cannot be int4; give a multiple of 64"):
        pack_int4(np.zeros((2, 100), np.float32))


@pytest.mark.parametrize("turned_by", [None, 0])
@pytest.mark.parametrize("dim", [24, 64, 160])
def test_columns_in_order_keep_every_cosine_and_the_first_carry_most(dim, turned_by):
    rng = np.random.default_rng(0)
    table = (rng.normal(size=(1000, dim)) * np.linspace(0.1, 3, dim)).astype(np.float32)
    ordered = order_columns(table, table, dim, turned_by)
    assert np.allclose(ordered @ ordered.T, table @ table.T, atol=1e-2)
    energy = np.square(ordered).sum(axis=0)
    group = 1 if turned_by is None else 64
    means = [energy[i : i + group].mean() for i in range(0, dim, group)]
    assert means == sorted(means, reverse=True)


@pytest.mark.parametrize("columns", [64, 100, 130])
def test_the_columns_kept_are_the_widest(columns):
    rng = np.random.default_rng(0)
    table = (rng.normal(size=(1000, 130)) * rng.permutation(np.linspace(0.1, 3, 130))).astype(np.float32)
    kept = order_columns(table, table, columns, 0)
    widest = np.sort(np.linalg.eigvalsh(table.T @ table))[::-1][:columns]
    assert kept.shape == (1000, columns)
    assert np.square(kept).sum() == pytest.approx(widest.sum(), rel=1e-3)


def test_lengths_are_raised_to_a_power_and_directions_stay():
    table = np.array([[0, 0], [0, 4], [-9, 0], [0.6, 0.8]], np.float32)
    expected = np.array([[0, 0], [0, 2], [-3, 0], [0.6, 0.8]], np.float32)
    assert np.allclose(even_lengths(table, 0.5), expected)
    assert np.array_equal(even_lengths(table, 1.0), table)


def test_rows_are_unpacked_as_they_are_taken_by_any_number_of_threads():
    packed = np.random.default_rng(0).integers(0, 256, (3000, 64), dtype=np.uint8)
    rows, whole = Int4Rows(packed), unpack_int4(packed)
    assert rows.shape == whole.shape == (3000, 128)
    asked = [np.random.default_rng(i).integers(0, 3000, 500) for i in range(40)]
    with ThreadPoolExecutor(8) as pool:
        for numbers, taken in zip(asked, pool.map(rows.__getitem__, asked), strict=True):
            assert np.array_equal(taken, whole[numbers])
    assert rows[np.array([], np.int64)].shape == (0, 128)
