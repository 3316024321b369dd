"""The public calls, by what they are for: those of `Warehouse`, on the warehouse that is named or found."""
