"""The fields of the UK standard as facts: attribute, name, and number in versions 3.0 and 4.0.

Contains public sector information licensed under the Open Government Licence v3.0. Version 3.0: its own table.
Version 4.0 is published as a form; its names and numbers follow its guidance and published records.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Field:
    """One field: an empty number where that version has none."""

    attribute: str
    name: str
    v3: str
    v4: str
    required: bool = True


FIELDS: Final = (
    Field("name", "Name", "1.1", "1.1"),
    Field("organisation_name", "Organisation name", "0.12", ""),
    Field("phase", "Phase", "0.13", ""),
    Field("region", "Region", "0.14", ""),
    Field("one_sentence_description", "One sentence description", "0.15", ""),
    Field("description", "Description", "1.2", "1.2"),
    Field("website_url", "Website URL", "1.3", "1.3"),
    Field("contact_email", "Contact email", "1.4", "1.4"),
    Field("organisation_or_department", "Organisation or department", "2.1.1", "2.1.1"),
    Field("team", "Team", "2.1.2", "2.1.2"),
    Field("senior_responsible_owner", "Senior responsible owner", "2.1.3", "2.1.3"),
    Field("third_party_involvement", "Third party involvement", "2.1.4", "2.1.4"),
    Field("third_party", "Third party", "2.1.4.1", "2.1.4.1", False),
    Field("companies_house_number", "Companies House Number", "2.1.4.2", "2.1.4.2", False),
    Field("third_party_role", "Third party role", "2.1.4.3", "2.1.4.3", False),
    Field("procurement_procedure_type", "Procurement procedure type", "2.1.4.4", "2.1.4.4", False),
    Field("third_party_data_access_terms", "Third party data access terms", "2.1.4.5", "2.1.4.5", False),
    Field("detailed_description", "Detailed description", "2.2.1", "2.2.1"),
    Field("benefits", "Benefits", "2.2.3", "2.2.2"),
    Field("previous_process", "Previous process", "2.2.4", "2.2.3", False),
    Field("alternatives_considered", "Alternatives considered", "2.2.5", "2.2.4", False),
    Field(
        "integration_into_broader_operational_process", "Integration into broader operational process", "2.3.1", "2.3.1"
    ),
    Field("human_review", "Human review", "2.3.4", "2.3.2"),
    Field("frequency_and_scale_of_usage", "Frequency and scale of usage", "2.3.3", "2.3.3"),
    Field("required_training", "Required training", "2.3.5", "2.3.4"),
    Field("appeals_and_review", "Appeals and review", "2.3.6", "2.3.5", False),
    Field("system_architecture", "System architecture", "2.4.1.1", "2.4.1.1"),
    Field("system_level_input", "System-level input", "", "2.4.1.2"),
    Field("system_level_output", "System-level output", "", "2.4.1.3"),
    Field("maintenance", "Maintenance", "2.4.1.3", "2.4.1.4"),
    Field("models", "Models", "2.4.1.4", "2.4.1.5"),
    Field("model_name", "Model name", "2.4.2.1", "2.4.2.1"),
    Field("model_version", "Model version", "2.4.2.2", "2.4.2.2"),
    Field("model_task", "Model task", "2.4.2.3", "2.4.2.3"),
    Field("model_input", "Model input", "2.4.2.4", "2.4.2.4", False),
    Field("model_output", "Model output", "2.4.2.5", "2.4.2.5", False),
    Field("model_architecture", "Model architecture", "2.4.2.6", "2.4.2.6", False),
    Field("model_performance", "Model performance", "2.4.2.7", "2.4.2.7"),
    Field("datasets_and_their_purposes", "Datasets and their purposes", "2.4.2.8", "2.4.2.8"),
    Field("development_data_description", "Development data description", "2.4.3.3", "2.4.3.1"),
    Field("data_modality", "Data modality", "2.4.3.2", "2.4.3.2", False),
    Field("data_quantities", "Data quantities", "2.4.3.4", "2.4.3.3", False),
    Field("sensitive_attributes", "Sensitive attributes", "2.4.3.5", "2.4.3.4"),
    Field("data_completeness_and_representativeness", "Data completeness and representativeness", "2.4.3.6", "2.4.3.5"),
    Field("data_cleaning", "Data cleaning", "2.4.3.9", "2.4.3.6", False),
    Field("data_collection", "Data collection", "2.4.3.8", "2.4.3.7", False),
    Field("data_access_and_storage", "Data access and storage", "2.4.3.11", "2.4.3.8", False),
    Field("data_sharing_agreements", "Data sharing agreements", "2.4.3.10", "2.4.3.9", False),
    Field("data_sources", "Data sources", "", "2.4.4.1"),
    Field("operational_sensitive_attributes", "Sensitive attributes", "", "2.4.4.2"),
    Field("data_processing_methods", "Data processing methods", "", "2.4.4.3", False),
    Field("operational_data_access_and_storage", "Data access and storage", "", "2.4.4.4"),
    Field("operational_data_sharing_agreements", "Data sharing agreements", "", "2.4.4.5", False),
    Field("impact_assessment", "Impact assessments", "2.5.1", "2.5.1"),
    Field("risks_and_mitigations", "Risks and mitigations", "2.5.2", "2.5.2"),
)

V3_NAMES: Final = {
    "title": "name",
    "external_supplier_involvement": "third_party_involvement",
    "external_supplier": "third_party",
    "external_supplier_role": "third_party_role",
    "data_access_terms": "third_party_data_access_terms",
    "benefit": "benefits",
    "process_integration": "integration_into_broader_operational_process",
    "human_decisions_and_review": "human_review",
    "datasets": "datasets_and_their_purposes",
    "data_description": "development_data_description",
}
"""Attributes of version 3.0 that version 4.0 calls otherwise."""

_TITLES: Final = [field.name.lower() for field in FIELDS]
NAMES: Final = {
    **{old.replace("_", " "): new for old, new in V3_NAMES.items()},
    **{field.name.lower(): field.attribute for field in FIELDS if _TITLES.count(field.name.lower()) == 1},
}
"""Attributes by their name for people, in either version; two fields of version 4.0 share their names with others."""
