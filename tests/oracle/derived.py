"""Derived features of a service: expressions over the answers of its features and the fields of a request."""

import json
from decimal import Decimal

import yaml
from definitions import Answer, Loader, Row, typed
from expression_values import Fails
from expressions import compiled


class Derived:
    """Of the service of a golden file's definitions, which takes all features of the view; none: nothing is derived."""

    def __init__(self, text, types):
        services = yaml.load(text, Loader).get("services") or {}
        service = next(iter(services.values()), {})
        self.request = service.get("request") or {}
        types = types | {f"request.{name}": t for name, t in self.request.items()}
        self.expressions = {}
        for name, expression in (service.get("derived") or {}).items():
            self.expressions[name] = compiled(str(expression), types)
            types[name] = self.expressions[name].type
        self.types = {name: expression.type for name, expression in self.expressions.items()}

    def answers(self, request, answers):
        """From the request's JSON and {feature: Answer}: a value, a default too, or null, or a failure."""
        if not self.expressions:
            return {}
        fields = json.loads(request or "{}", parse_float=Decimal)
        row = Row({f"request.{name}": typed(fields[name], t) for name, t in self.request.items()})
        for name, a in answers.items():
            row[name] = Fails if a.value is None and a.status in ("ERROR", "OVERFLOW") else a.value
        out = {}
        for name, expression in self.expressions.items():
            try:
                row[name] = value = expression.run(row)
                out[name] = Answer(value, "NULL" if value is None else "PRESENT", None)
            except Fails:
                row[name] = Fails
                out[name] = Answer(None, "ERROR", None)
        return out
