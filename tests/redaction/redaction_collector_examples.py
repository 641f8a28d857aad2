# SPDX-License-Identifier: Apache-2.0
"""Examples of the rules where the Collector does other than the engine's side."""

# What takes more than a regular expression; docs/collector.md says the same in words.
MISSED = {
    "(b'x-api-key', b'abc123def456')",
    "the password is hunter2",
    "your access code is 482913",
    "auth=('user0001', 'hunter2pw')",
    "?token=x",
    "account number 12345678 is closed",
    "password for the database: hunter2",
    "SIGNING_SECRET_V2=abcdef",
    "password -> hunter2",
    "secret_key=[12, 34, 56, 78, 90, 12, 34, 56, 78, 90, 12, 34, 56, 78, 90, 255]",
    "keypair: [12, 34, 56, 78, 90, 12, 34, 56, 78, 90, 12, 34, 56, 78, 90, 255]",
    "POST /0/private/Withdraw?twofa=482917&asset=XBT",
    "TradingClient('PKFAKEFAKE0FAKE1FAKE', 'FakeFake0Fake1FakeFake0Fake1', paper=True)",
    "AccountAPI('11111111-2222-4333-a444-555555555555', 'FAKEFAKE', 'correct horse', False, '0')",
    "2fa: 123456, two_fa=123456, twoFactor: 123456",
    '{"2fa": "482917", "mfa": 482917}',
    '<input name="password" value="hunter2">',
    'form-data; name="password"\r\n\r\nhunter2\r\n--x',
    "Session(token=Token(value='abc123def456'), symbol='BTC')",
    '{"credentials": {"account": "a1", "more": ["b2"], "sandbox": true}}',
    "machine x.example login bob password correcthorse",
}
# Hidden although there is nothing to hide: a name and a separator are all that is seen.
TOO_MUCH = {
    "api_key=None",
    "def __init__(self, api_key: str) -> None:",
    "client = Client(api_key=self.api_key)",
    "password: ********",
    "keypair=~/.config/solana/id.json",
    "account_id: null",
    "PWD=/home/trader/engine",
    "phone: unknown",
    "docker run -u 1000:1000 image",
}
