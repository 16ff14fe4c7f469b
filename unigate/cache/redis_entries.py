"""The format of entries in Redis, and the scripts that write them.

An entry is its head, the contents of its records, and its value:

    mark      2 bytes, C1 02
    size      4 bytes, big-endian: how many bytes of names follow
    names     for each tag the length of its UTF-8 in 2 bytes, and the UTF-8
    contents  8 bytes for each record: that of all entries, then those of the tags in this order
    value     the rest

The client makes the head, and knows from the head of an entry which records it has. So scripts only
compare and join strings, and all of their keys are declared, as servers other than Redis demand.
No entry of the format before (MessagePack) and no text begins with the mark.

While a missing value is made, its key can have a lease (`unigate.cache.redis_leases`), which every
read takes for a missing entry and every change of the key removes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeVar

K = TypeVar("K")

MARK = b"\xc1\x02"
CONTENT = 8
"""The bytes of a record."""

_NAMES = len(MARK) + 4  # where the names begin

# KEYS: records, then entries. ARGV: the number of records, the content of new ones, the ttl in
# milliseconds, the head of the entries. Missing records get the new content.
RECORDS = """
local unpack = table.unpack or unpack
local count, fresh, life, head = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3]), ARGV[4]
local contents = redis.call('MGET', unpack(KEYS, 1, count))
for i = 1, count do
  if not contents[i] or #contents[i] ~= 8 then
    contents[i] = fresh
  end
end
local start = head .. table.concat(contents)
"""

# After the entries were written, so that no record ends before them. A full server refuses only the
# first write of a script, if that takes memory.
EXTEND_RECORDS = """
for i = 1, count do
  if redis.call('PTTL', KEYS[i]) < life then
    redis.call('SET', KEYS[i], contents[i], 'PX', life)
  end
end
"""

# ARGV from 5: the value of each entry.
SET = f"""{RECORDS}
for i = count + 1, #KEYS do
  redis.call('SET', KEYS[i], start .. ARGV[4 + i - count], 'PX', life)
end
{EXTEND_RECORDS}"""

# One entry. ARGV from 5: the value; "add", "replace" or "remove"; the old value for the last two;
# if there is one, an entry that the client has found to meet the condition. Returns 1 if that was
# done, 0 if the condition is not met, and an entry with another head, for the client to look at.
# Entries are read by MGET, to which a value of another type is a missing one.
SET_IF = f"""{RECORDS}
local key, value, condition, old, known = KEYS[count + 1], ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local entry = redis.call('MGET', key)[1]
if not entry then
  if condition ~= 'add' then
    return 0
  end
elseif entry ~= known then
  if string.sub(entry, 1, #head) ~= head then
    return entry
  end
  local valid = string.sub(entry, 1, #start) == start
  if condition == 'add' and valid then
    return 0
  end
  if condition ~= 'add' and not (valid and string.sub(entry, #start + 1) == old) then
    return 0
  end
end
if condition == 'remove' then
  redis.call('UNLINK', key)
  return 1
end
redis.call('SET', key, start .. value, 'PX', life)
{EXTEND_RECORDS}
return 1"""

# KEYS: an entry, then records. ARGV: the head of entries with these records. `entry` is false
# unless there is one; `valid` is true if it has this head and its records are as they were.
_READ = """
local unpack = table.unpack or unpack
local head = ARGV[1]
local found = redis.call('MGET', unpack(KEYS))
local entry = found[1]
local known = entry and string.sub(entry, 1, #head) == head
local start = head
for i = 2, #KEYS do
  start = start .. (found[i] or '')
end
local valid = known and string.sub(entry, 1, #start) == start and #start == #head + 8 * (#KEYS - 1)
"""

# ARGV[2]: what to add, below 2^53 as are all integers that Lua adds exactly. Returns the new number
# as text, nil for a missing entry, and in a list an entry that is for the client to change.
INCREMENT = f"""{_READ}
if not entry then
  return false
end
if not known then
  return {{entry}}
end
if not valid then
  return false
end
local text = string.sub(entry, #start + 1)
if #text > 16 or not (text == '0' or string.find(text, '^-?[1-9]%d*$')) then
  return {{entry}}
end
local number, most = tonumber(text), 9007199254740992
local sum = number + tonumber(ARGV[2])
if number >= most or number <= -most or sum >= most or sum <= -most then
  return {{entry}}
end
text = string.format('%.0f', sum)
redis.call('SET', KEYS[1], start .. text, 'KEEPTTL')
return text"""

# ARGV[2]: the ttl in milliseconds. Returns 1, 0 for a missing entry, or an entry of another head.
TOUCH = f"""{_READ}
if entry and not known then
  return entry
end
if not valid then
  return 0
end
local life = tonumber(ARGV[2])
redis.call('PEXPIRE', KEYS[1], life)
for i = 2, #KEYS do
  if redis.call('PTTL', KEYS[i]) < life then
    redis.call('PEXPIRE', KEYS[i], life)
  end
end
return 1"""

# KEYS: an entry, then records. Removes the entry and returns what MGET does.
POP = """
local found = redis.call('MGET', (table.unpack or unpack)(KEYS))
redis.call('UNLINK', KEYS[1])
return found"""

# KEYS: an entry. ARGV: the old and the new one. Returns whether the old one was still there.
EXCHANGE = """
if redis.call('MGET', KEYS[1])[1] ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
return 1"""


def content() -> bytes:
    """Return the content of a new record; as an entry, it is a foreign value and so a missing one.

    The byte that entries begin with is not its first.
    """
    return b"%c%b" % (os.urandom(1)[0] & 0x7F, os.urandom(CONTENT - 1))


class Layout(NamedTuple):
    """What the entries with the same tags have in common."""

    head: bytes
    records: tuple[bytes, ...]  # keys
    start: int  # of the value

    def value(self, entry: bytes, contents: Sequence[bytes | None]) -> bytes | None:
        """Return the value of an entry, or None if it is invalid.

        Args:
            entry: An entry that begins with the head.
            contents: The contents that the records have now.
        """
        if None in contents:
            return None
        valid = entry[len(self.head) : self.start] == b"".join(contents)  # type: ignore[arg-type]
        return entry[self.start :] if valid else None


class Layouts:
    """The layouts of a namespace, and a bounded memory of which key has which.

    Args:
        prefix: What all keys of the namespace begin with.
    """

    # A layout of more bytes is not remembered, nor that of a longer key.
    LONGEST = 1024
    MOST = 1024
    # An unknown key is not read with more records than this.
    GUESSED = 8

    def __init__(self, prefix: bytes) -> None:
        self._prefix = prefix
        self.all = prefix + b"all"
        self._of_tags: dict[tuple[str, ...], Layout] = {}
        self._of_heads: dict[bytes, Layout] = {}
        self._of_keys: dict[str, Layout] = {}
        self._latest = self.of_tags(())

    def records(self, tags: Iterable[str]) -> list[bytes]:
        """Return the keys of the records of tags."""
        return [self._prefix + b"tag:" + encoded(tag) for tag in tags]

    def of_tags(self, tags: Sequence[str]) -> Layout:
        """Return the layout of entries with the tags."""
        tags = tuple(tags)
        layout = self._of_tags.get(tags)
        if layout is None:
            made = self._made([encoded(tag) for tag in tags])
            layout = self._of_heads.get(made.head, made)
            self._remember(self._of_heads, layout.head, layout)
            self._remember(self._of_tags, tags, layout)
        return layout

    def of_entry(self, entry: bytes) -> Layout | None:
        """Return the layout of an entry, or None for bytes that are not an entry."""
        if not entry.startswith(MARK):
            return None
        head = entry[: _NAMES + int.from_bytes(entry[len(MARK) : _NAMES], "big")]
        layout = self._of_heads.get(head)
        if layout is None:
            layout = self._made(_names(head[_NAMES:]))
            if layout.head != head:
                return None
            self._remember(self._of_heads, head, layout)
        return layout if layout.start <= len(entry) else None

    def guess(self, key: str) -> Layout:
        """Return the layout that a key had last, or that of the last key, if it has few tags."""
        return self._of_keys.get(key, self._latest)

    def learn(self, keys: Iterable[str], layout: Layout) -> None:
        """Remember the layout of keys."""
        if len(layout.records) <= self.GUESSED:
            self._latest = layout
        for key in keys:
            if len(key) <= self.LONGEST and self._of_keys.get(key) is not layout:
                self._remember(self._of_keys, key, layout)

    def _made(self, names: Sequence[bytes]) -> Layout:
        text = b"".join([len(name).to_bytes(2, "big") + name for name in names])
        head = MARK + len(text).to_bytes(4, "big") + text
        records = (self.all, *(self._prefix + b"tag:" + name for name in names))
        return Layout(head, records, len(head) + CONTENT * len(records))

    def _remember(self, memory: dict[K, Layout], name: K, layout: Layout) -> None:
        if len(layout.head) <= self.LONGEST:
            if len(memory) >= self.MOST and name not in memory:
                memory.clear()
            memory[name] = layout


def encoded(text: str) -> bytes:
    """Return a key or tag as it is stored."""
    return text.encode("utf-8", "surrogatepass")


def _names(text: bytes) -> list[bytes]:
    names, start = [], 0
    while start < len(text):
        end = start + 2 + int.from_bytes(text[start : start + 2], "big")
        names.append(text[start + 2 : end])
        start = end
    return names
