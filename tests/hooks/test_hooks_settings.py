# SPDX-License-Identifier: Apache-2.0
"""What the engine is configured with is hidden wherever it turns up."""

from __future__ import annotations

import logging

SECRET = "plainly-fake-key"


def test_secrets_of_the_configuration_are_hidden_by_value(start_engine, caplog):
    caplog.set_level(logging.INFO)
    engine = start_engine()
    logger = logging.getLogger("finance_feedback_engine.test")
    config = {**engine.session.engine.config, "desk": {"credentials": {"a": SECRET}}}

    type(engine.session.engine)(config)
    logger.info("said %s again", SECRET)

    bodies = {str(record.log_record.body) for record in engine.telemetry.logs}
    assert "said [redacted:literal] again" in bodies
