"""The extract for the record of processing activities (GDPR 30(1)), from what the register has."""
