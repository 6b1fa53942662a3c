"""Events in, stack updates out.

model, record      a function's state, and the form in which its stack keeps it (pure)
machine            decide(state, stimulus, now): every transition in one table (pure)
context            files in, a deterministic build context out (pure)
program            the Pulumi program of one function's stack
ports, adapters    what automation needs of the outside, and who provides it
runner, worker     the shell: carries commands out; a queue for each function
app                the facade that the service talks to
"""
