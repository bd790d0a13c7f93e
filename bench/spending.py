"""Payments of users and the view `spending` over them: what B5, B7 and B9 ask for."""


def definitions(aggregates, windows, counted=None, unit="ms"):
    """The service `spending`: how many payments (over `counted`, else `windows`), and these aggregates of their amounts over `windows`."""
    of_amount = "".join(f"\n        {aggregate}: {{of: amount, over: [{', '.join(windows)}]}}" for aggregate in aggregates)
    return f"""
sources:
  payments:
    topic: payments
    format: json
    time: {{field: ts, unit: {unit}}}
    fields: {{user: int64, amount: int64}}
    owner: bench
entities:
  user: {{key: [user]}}
views:
  spending:
    entity: user
    from: payments
    features:
      payments: {{count: {{over: [{', '.join(counted or windows)}]}}}}
      amount:{of_amount}
    owner: bench
services:
  spending: {{features: [spending.*]}}
"""
