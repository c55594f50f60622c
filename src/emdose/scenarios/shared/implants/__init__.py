"""What the kinds of scenario about implants share: tables of metal, gradients and exposures, and what they become."""
