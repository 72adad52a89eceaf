"""The control room: pages for operators and accountants, made here and nowhere else. docs/control-room.md."""
