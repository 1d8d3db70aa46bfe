"""What a page makes of the kernel's messages about turns."""

from realtime_nb.widgets.rows import TranscriptRows


class Page:
    """Keeps rows as panel.js does."""

    def __init__(self, conversation):
        self.news = TranscriptRows(conversation, lambda turn: [])
        self.order = []
        self.rows = {}

    def look(self):
        """Take what is new; return the rows in their order."""
        if message := self.news.news():
            if message["from_start"]:
                self.order, self.rows = [], {}
            at = message["at"]
            left = self.order[at : at + message["gone"]]
            self.order[at : at + message["gone"]] = message["ids"]
            for item_id in set(left).difference(message["ids"]):
                del self.rows[item_id]
            self.rows |= {row["id"]: row for row in message["rows"]}
        assert set(self.order) == set(self.rows)
        return [self.rows[item_id] for item_id in self.order]
