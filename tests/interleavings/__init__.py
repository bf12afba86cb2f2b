# SPDX-License-Identifier: Apache-2.0
"""Every order of requests: the real drivers under a scheduler that decides each step.

Two or three calls run in threads of their own. Each stops at a gate before whatever it
does to the network, and one at a time goes on, chosen by a schedule: so the same schedule
always does the same. Time is the scheduler's, too: nothing sleeps.

- :mod:`.clock`: time, ids and chance of what is scheduled
- :mod:`.scheduler`: threads, gates, and who goes on
- :mod:`.gate`, :mod:`.footprints`: the cloud's API behind gates; what requests touch
- :mod:`.flows`: steps in an order that can be repeated
- :mod:`.stage`, :mod:`.sandbox`: what is scheduled on a cloud, and on a sandbox
- :mod:`.rules`: what must hold at the end
- :mod:`.explorer`: which schedules are tried, and how one that fails is shortened
- :mod:`.pairs`: which calls meet
"""
