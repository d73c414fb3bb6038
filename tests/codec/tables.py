"""Arrow columns of every kind that a stream can hold."""

import decimal

import pyarrow


def columns():
    """A column of each kind, by name."""
    array, struct = pyarrow.array, pyarrow.StructArray.from_arrays
    words = array(["x", "y", "x", None]).dictionary_encode()
    uuids = pyarrow.ExtensionArray.from_storage(
        pyarrow.uuid(), array([b"0123456789abcdef"] * 4, pyarrow.binary(16))
    )
    tensor = pyarrow.fixed_shape_tensor(pyarrow.int8(), (2, 2))
    codes = array([5, 7, 5], pyarrow.int8())
    parts = [array([1, 2]), array(["x"])]
    alternating = array([0, 1, 0, 1], pyarrow.int8())
    views = pyarrow.list_view(pyarrow.int8())
    grown = [array(["a"]).dictionary_encode(), array(["b", "a"]).dictionary_encode()]
    halves = array([0, 2, 4], pyarrow.int32())
    yield from {
        "nulls": pyarrow.nulls(10),
        "booleans": array([True, None, False] * 9),
        "numbers": array([1, None, 3], pyarrow.int16()),
        "times": array([1, None], pyarrow.timestamp("us", "Europe/Paris")),
        "intervals": pyarrow.nulls(3, pyarrow.month_day_nano_interval()),
        "decimals": array([decimal.Decimal("1.25"), None], pyarrow.decimal256(50, 3)),
        "texts": array(["a", "é" * 40, None]),
        "large texts": array(["a", None], pyarrow.large_string()),
        "text views": array(["a", "b" * 100, None, "c" * 50], pyarrow.string_view()),
        "byte views": array([b"a" * 100], pyarrow.binary_view()),
        "bytes of a size": array([b"abc", None], pyarrow.binary(3)),
        "bytes of no size": array([b"", b""], pyarrow.binary(0)),
        "lists": array([[1], None, [], [2, 3]]),
        "large lists": array([[1], None], pyarrow.large_list(pyarrow.int8())),
        "list views": array([[1], None, [2, 3]], views),
        "large list views": array([[1], None], pyarrow.large_list_view(pyarrow.int16())),
        "lists of a size": array([[1, 2], None], pyarrow.list_(pyarrow.int8(), 2)),
        "lists of no size": array([[], None], pyarrow.list_(pyarrow.int8(), 0)),
        "lists of nulls": array([[None, None], []], pyarrow.list_(pyarrow.null())),
        "structs": array([{"a": 1, "b": "x"}, None]),
        "structs of nothing": array([{}, {}], pyarrow.struct([])),
        "maps": array([[("a", 1)], None], pyarrow.map_("string", "int8", keys_sorted=True)),
        "dense unions": pyarrow.UnionArray.from_dense(
            codes, array([0, 0, 1], pyarrow.int32()), parts, ["i", "s"], [5, 7]
        ),
        "sparse unions": pyarrow.UnionArray.from_sparse(alternating, [words, array([1, 2, 3, 4])]),
        "runs": pyarrow.RunEndEncodedArray.from_arrays(
            array([2, 5], pyarrow.int32()), array(["a", None])
        ),
        "dictionaries": words,
        "slices of dictionaries": words.slice(1, 2),
        "lists of dictionaries": pyarrow.ListArray.from_arrays(halves, words),
        "large lists of dictionaries": pyarrow.LargeListArray.from_arrays([0, 2, 4], words),
        "list views of dictionaries": pyarrow.ListViewArray.from_arrays([0, 2], [2, 2], words),
        "large list views of dictionaries": pyarrow.LargeListViewArray.from_arrays(
            [0, 2], [2, 2], words
        ),
        "lists of a size of dictionaries": pyarrow.FixedSizeListArray.from_arrays(words, 2),
        "maps of dictionaries": pyarrow.MapArray.from_arrays(halves, array(list("abcd")), words),
        "maps of dictionaries as keys": pyarrow.MapArray.from_arrays(
            halves, words.fill_null("y"), array(list("abcd"))
        ),
        "structs of dictionaries": struct([words, uuids], ["a", "b"]),
        "unions of dictionaries": pyarrow.UnionArray.from_dense(
            array([0, 0, 1], pyarrow.int8()), array([0, 1, 0], pyarrow.int32()), [words, parts[0]]
        ),
        "runs of dictionaries": pyarrow.RunEndEncodedArray.from_arrays(
            array([2, 5], pyarrow.int16()), words.slice(0, 2)
        ),
        "dictionaries of dictionaries": pyarrow.DictionaryArray.from_arrays(
            array([1, 0, None], pyarrow.uint16()), struct([words.slice(0, 2)], ["q"]), ordered=True
        ),
        "dictionaries of lists": pyarrow.DictionaryArray.from_arrays(
            array([0]), pyarrow.ListArray.from_arrays([0, 2], words)
        ),
        "dictionaries of nothing": pyarrow.DictionaryArray.from_arrays(
            array([None, None], pyarrow.int8()), array([], pyarrow.string())
        ),
        "dictionaries that change": pyarrow.chunked_array(grown),
        "extensions": uuids,
        "lists of extensions": pyarrow.ListArray.from_arrays(halves, uuids),
        "tensors": pyarrow.ExtensionArray.from_storage(
            tensor, array([[1, 2, 3, 4]], pyarrow.list_(pyarrow.int8(), 4))
        ),
    }.items()


def stream(schema, batches, **options):
    """A stream as pyarrow writes it with these options."""
    sink = pyarrow.BufferOutputStream()
    told = pyarrow.ipc.IpcWriteOptions(**options)
    with pyarrow.ipc.new_stream(sink, schema, options=told) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def growing(batches, words=3):
    """A stream whose dictionary grows by so many words with every batch."""
    whole = pyarrow.array([f"{i:08}" for i in range(batches * words)])
    made = [
        pyarrow.record_batch(
            [pyarrow.DictionaryArray.from_arrays(pyarrow.array([0]), whole.slice(0, i * words))],
            names=["a"],
        )
        for i in range(1, batches + 1)
    ]
    return stream(made[0].schema, made, emit_dictionary_deltas=True), made
