"""How are CPU cores fitted to measurements? With a pull towards the parameters of other measured CPUs."""
