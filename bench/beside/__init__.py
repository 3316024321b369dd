"""An earlier checkout beside this one."""
