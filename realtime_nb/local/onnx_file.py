"""Read an ONNX file, and let it return more values, without the package onnx.

A file is a protocol buffer; the numbers of its fields are from onnx.proto3.
"""

from __future__ import annotations

from typing import Any

#: Fields of ModelProto, GraphProto, NodeProto and ValueInfoProto.
GRAPH, NODE, NODE_OUTPUT, OPERATOR, OUTPUT, NAME = 7, 1, 2, 4, 12, 1


def results_of(model: bytes, operator: str) -> list[str]:
    """Return the names of the values that the nodes of an operator compute, e.g. of ``"Ceil"``."""
    nodes = (fields(node) for node in fields(fields(model)[GRAPH][0]).get(NODE, []))
    return [node[NODE_OUTPUT][0].decode() for node in nodes if node.get(OPERATOR) == [operator.encode()]]


def with_output(model: bytes, name: str) -> bytes:
    """Return the model with one more of its computed values as an output. `name`: 100 bytes at most."""
    # Bytes after a protocol buffer are merged into it.
    return model + _field(GRAPH, _field(OUTPUT, _field(NAME, name.encode())))


def _field(number: int, payload: bytes) -> bytes:
    """Return a field with a payload of less than 128 bytes."""
    return bytes([number << 3 | 2, len(payload)]) + payload


def fields(message: bytes) -> dict[int, list[Any]]:
    """Split a protocol buffer into its fields: numbers, and byte strings for everything that has a length."""
    found: dict[int, list[Any]] = {}
    offset = 0
    while offset < len(message):
        tag, offset = varint(message, offset)
        kind = tag & 7
        value: int | bytes
        if kind == 0:
            value, offset = varint(message, offset)
        else:
            length, offset = varint(message, offset) if kind == 2 else ({1: 8, 5: 4}[kind], offset)
            value, offset = message[offset : offset + length], offset + length
        found.setdefault(tag >> 3, []).append(value)
    return found


def varint(message: bytes, offset: int) -> tuple[int, int]:
    """Return the number at an offset, and the offset after it."""
    value = shift = 0
    while True:
        byte = message[offset]
        value |= (byte & 127) << shift
        offset, shift = offset + 1, shift + 7
        if byte < 128:
            return value, offset
