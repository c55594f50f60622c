"""Methods that solve an equation over the whole mask: convection-reaction and gradient EPT."""
