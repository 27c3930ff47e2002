import os

from harness.forks import once_a_process


def test_a_process_makes_it_once_and_a_forked_child_its_own():
    made = []

    @once_a_process
    def thing():
        made.append(os.getpid())
        return object()

    first = thing()
    assert thing() is first

    child = os.fork()
    if child == 0:
        thing()
        thing()
        os._exit(0 if made == [os.getppid(), os.getpid()] else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert thing() is first
