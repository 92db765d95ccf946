from services.pools.reconciling import Failures


def test_what_fails_again_and_again_is_tried_ever_less_often() -> None:
    now = 100.0
    failures = Failures(clock=lambda: now)
    key = ("http://node", "bundle")
    pauses = []
    for _ in range(12):
        assert failures.may_try(key)
        failures.note(key)
        began = now
        while not failures.may_try(key):
            now += 1
        pauses.append(now - began)
    assert pauses[:3] == [10, 20, 40]
    assert pauses[-1] == 300
    failures.forget(key)
    failures.note(key)
    assert failures.may_try(("http://other", "bundle"))
    now += 10
    assert failures.may_try(key)
